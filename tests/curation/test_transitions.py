"""The table of a draft's states, and its drawing."""

from pathlib import Path

import pytest
from django.conf import settings

from curation import transitions
from curation.enums import DraftStatus
from curation.models import Draft
from tests.factories import make_draft

ARROWS = {(arrow.start, arrow.end) for arrow in transitions.ARROWS}


def test_the_docs_draw_the_table() -> None:
    text = (Path(settings.BASE_DIR) / "docs" / "architecture.md").read_text()
    assert f"```mermaid\n{transitions.drawing()}\n```" in text


@pytest.mark.django_db
@pytest.mark.parametrize("end", DraftStatus)
@pytest.mark.parametrize("start", DraftStatus)
def test_only_the_arrows_of_the_table_can_be_gone(start: DraftStatus, end: DraftStatus) -> None:
    draft = make_draft()
    Draft.objects.filter(pk=draft.pk).update(status=start)
    draft.refresh_from_db()
    if start == end:
        assert not transitions.move(draft, end)
    elif (start, end) in ARROWS:
        assert transitions.move(draft, end)
        assert Draft.objects.get(pk=draft.pk).status == end
    else:
        with pytest.raises(transitions.NotAllowed):
            transitions.move(draft, end)
