"""Masks -> the files of other tools."""
