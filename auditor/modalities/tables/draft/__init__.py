"""A first audit.yaml from a table."""
