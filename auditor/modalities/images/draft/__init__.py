"""A first audit.yaml from a folder of images."""
