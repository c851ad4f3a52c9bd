"""The signed-in client and the quick verdicts of the pages' tests."""

from tests.pages.conftest import client, judged, person

__all__ = ["client", "judged", "person"]
