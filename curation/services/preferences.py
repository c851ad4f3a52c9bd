"""What a person chose for themselves, kept with the account so that every browser has it."""

import json

from django.contrib.auth.models import User

from curation.enums import PreferenceName
from curation.models import Preference

THEMES = ("auto", "light", "dark")
MOST_KEYS, MOST_LETTERS = 200, 100


class PreferenceRefused(Exception):
    """Why a choice was not kept; the text is for the person who made it."""


def keep(name: PreferenceName, text: str, at: int, *, by: User) -> None:
    """Remember a choice, unless a newer one is known.

    Raises:
        PreferenceRefused: there is no such theme, or these are no shortcuts.
    """
    if name == PreferenceName.THEME and text not in THEMES:
        raise PreferenceRefused(f"The themes are {', '.join(THEMES)}.")
    if name == PreferenceName.KEYS and not _are_shortcuts(text):
        raise PreferenceRefused("Shortcuts are an object: the name of each command and its keys.")
    Preference.objects.get_or_create(user=by, name=name, defaults={"text": text, "at": at})
    Preference.objects.filter(user=by, name=name, at__lt=at).update(text=text, at=at)


def preferences_of(user: User) -> dict[str, dict[str, str | int]]:
    """Text and time of each choice that the person made."""
    rows = Preference.objects.filter(user=user).values_list("name", "text", "at")
    return {name: {"text": text, "at": at} for name, text, at in rows}


def _are_shortcuts(text: str) -> bool:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return (
        isinstance(found, dict)
        and len(found) <= MOST_KEYS
        and all(
            isinstance(keys, str) and max(len(name), len(keys)) <= MOST_LETTERS and "\0" not in keys
            for name, keys in found.items()
        )
    )
