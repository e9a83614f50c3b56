"""The W+ adapter (csxmli2016/w-plus-adapter)."""
