"""Masks drawn in the browser: a local page, and the files that it writes."""
