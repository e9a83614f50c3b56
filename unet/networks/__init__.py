"""Network layers that several systems share."""
