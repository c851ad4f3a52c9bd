"""Doing something with the database through a restart of it."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connection

logger = logging.getLogger(__name__)

T = TypeVar("T")
# Seconds between tries: about a minute in all.
WAITS = (0.5, 1, 2, 4, 8, 16, 30)
AWAY = (OperationalError, InterfaceError)


def patiently(what: Callable[[], T]) -> T:
    """The result of `what`, tried again while the database is away; it must bear repetition."""
    for wait in WAITS:
        try:
            return what()
        except AWAY as error:
            logger.warning("the database is away, trying again in %s s: %s", wait, error)
            connection.close()
            time.sleep(wait)
    return what()
