"""The OpenAI-compatible server of the test suite, as experiments use it."""

from tests.scoring.experiments.conftest import journal_folder, quick, server

__all__ = ["journal_folder", "quick", "server"]
