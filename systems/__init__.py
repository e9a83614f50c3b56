"""The other systems: the W+ adapter, X-Dyna and FreeAnimate. None imports another."""
