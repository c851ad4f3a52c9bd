"""Exports that are made in the background, and releases."""
