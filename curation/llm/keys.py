"""Keys of providers: read from the environment, or kept encrypted. Never shown, never logged."""

import base64
import hashlib
import os

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings

from curation.models import LanguageModel


class NoKey(Exception):
    """Why a model's key cannot be had, and what to do; the text is for a person."""


def seal(key: str) -> str:
    """The key, encrypted with one made from the site's secret key."""
    return _box().encrypt(key.encode()).decode()


def key_of(model: LanguageModel) -> str:
    """The model's key; empty for a model that needs none.

    Raises:
        NoKey: it is named but not there, or was sealed under another secret key.
    """
    if model.key_env:
        key = os.environ.get(model.key_env, "").strip()
        if not key:
            raise NoKey(
                f"{model.name}: the environment variable {model.key_env} is empty. Set it and "
                "start the studio again, or give the model a key in the admin pages."
            )
        return key
    if not model.sealed_key:
        return ""
    try:
        return _box().decrypt(model.sealed_key.encode()).decode()
    except InvalidToken:
        raise NoKey(
            f"{model.name}: its key was stored under another T2J_SECRET_KEY. Enter it again."
        ) from None


def without_key(text: str, key: str) -> str:
    """`text` with the key blacked out: providers repeat it in what they say."""
    return text.replace(key, "[key]") if len(key) >= 4 else text


def _box() -> Fernet:
    digest = hashlib.sha256(b"keys of language models\0" + settings.SECRET_KEY.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(digest))
