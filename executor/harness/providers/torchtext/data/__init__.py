"""Tokenizers."""

from . import utils
from .utils import get_tokenizer

__all__ = ["get_tokenizer", "utils"]
