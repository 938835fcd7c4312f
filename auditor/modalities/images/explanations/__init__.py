"""Which part of the input decided."""
