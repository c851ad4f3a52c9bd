"""Experiments: settings tried on a dataset, translations made under them, and their context."""
