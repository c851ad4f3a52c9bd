"""What this app tells later ones without knowing them."""

from django.dispatch import Signal

# Sent in the transaction in which drafts got another newest revision; `drafts`: their ids.
head_changed = Signal()
