"""Waiting for what happens in another process."""

import time
from collections.abc import Callable

from playwright.sync_api import Page


def until(
    what: Callable[[], object],
    seconds: float = 240,
    *,
    meanwhile: Callable[[float], object] = time.sleep,
    says: Callable[[], object] = lambda: "",
) -> None:
    """Waits for `what` to hold; `says` tells what stood in the way when it did not."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, f"it did not happen in time {says()}"
        meanwhile(0.1)


def until_with(page: Page, what: Callable[[], object]) -> None:
    """Lets the page's own events go on while it waits."""
    until(what, meanwhile=lambda seconds: page.wait_for_timeout(1000 * seconds))
