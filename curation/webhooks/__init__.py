"""Webhooks: which addresses are taken, how a message is signed, and how it gets there."""
