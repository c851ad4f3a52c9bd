"""A dataset as one file that another server takes in whole: written, read back, compared."""
