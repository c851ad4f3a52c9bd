"""Pages of tables and scores: the same numbers as the files, and a way to the rows behind each."""

import re
from decimal import Decimal
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from curation.enums import BatchState
from curation.llm.calls import plan
from curation.models import AuditEvent, CallBatch, LanguageModel
from scoring.experiments.services import set_limit
from scoring.judging import purse_of
from scoring.models import Experiment, Score
from scoring.score_tasks import outdated
from scoring.tables import TABLES, build
from scoring.tables.render import FORMATS, texts_of
from tests.factories import make_user
from tests.scoring.tables.build import make_experiment


@pytest.fixture
def person(db: None) -> User:
    return make_user("ada")


@pytest.fixture
def client(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def text_of_page(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


@pytest.mark.parametrize("key", TABLES)
def test_a_page_shows_the_tables_numbers(client: Client, scored: Experiment, key: str) -> None:
    response = client.get(reverse("experiment-table", args=[scored.slug, key]))
    assert response.status_code == 200
    html = response.content.decode()
    assert " style=" not in html and html.count("<h1") == 1
    shown = text_of_page(html)
    for row in texts_of(build(scored, key)):
        for text in row:
            assert text in shown


def test_files_are_what_the_command_writes(client: Client, scored: Experiment) -> None:
    for ending, (media_type, make) in FORMATS.items():
        url = reverse("experiment-table-file", args=[scored.slug, "2", ending])
        response = client.get(url)
        assert response.content.decode() == make(build(scored, "2"))
        assert response["Content-Type"] == media_type
    assert client.get(reverse("experiment-table", args=[scored.slug, "7"])).status_code == 404


def test_every_number_of_table_2_leads_to_its_rows(client: Client, scored: Experiment) -> None:
    html = client.get(reverse("experiment-tables", args=[scored.slug])).content.decode()
    links = re.findall(r'href="([^"]+/scores/\?[^"]+)"', html)
    url = next(link for link in links if "cheap-augmented" in link and "func_ref" in link)
    rows = client.get(url.replace("&amp;", "&")).context["page"].object_list
    own = Score.objects.filter(setting__name="cheap-augmented", measure="func_ref")
    assert {row.pk for row in rows} == set(own.values_list("pk", flat=True))
    compared = next(link for link in links if "costly" in link and "measure=comparison" in link)
    rows = client.get(compared.replace("&amp;", "&")).context["page"].object_list
    assert {row.other.setting.name for row in rows} == {"costly-standard"}


@pytest.mark.parametrize("key", TABLES)
def test_every_number_leads_to_rows(client: Client, scored: Experiment, key: str) -> None:
    """Each cell that is no name, of every table."""
    table = build(scored, key)
    response = client.get(reverse("experiment-table", args=[scored.slug, key]))
    found: set[str] = set()
    for cells, row in zip(response.context["rows"], table.rows, strict=True):
        for shown, cell in zip(cells, row, strict=True):
            assert shown["url"] or isinstance(cell.value, str), (shown, row[0])
            # Where there is no number yet, there may be no row either.
            if isinstance(cell.value, int | float) and cell.value and cell.n != 0:
                found.add(str(shown["url"]))
    assert found
    # Of many, some: a page takes its time.
    for url in sorted(found)[:: len(found) // 8 + 1]:
        assert client.get(url).context["page"].object_list, url


def test_the_rows_of_a_pair_stand_side_by_side(client: Client, scored: Experiment) -> None:
    url = reverse("experiment-scores", args=[scored.slug])
    judge = Score.objects.exclude(judge="").values_list("judge", flat=True)[0]
    chosen = {"measure": "func_ref,matches", "judge": judge}
    rows = client.get(url, chosen).context["page"].object_list
    assert {row.measure for row in rows} == {"func_ref", "matches"}
    pairs = [row.translation_id for row in rows]
    assert pairs == sorted(pairs, key=pairs.index), "rows of one translation are together"
    # Marks of 3 were given to cheap-augmented alone.
    marked = client.get(url, chosen | {"mark": "3"}).context["page"].object_list
    assert {row.setting.name for row in marked} == {"cheap-augmented"}
    assert "No score like this" in client.get(url, chosen | {"mark": "x"}).content.decode()
    compared = {"measure": "comparison", "setting": "cheap-standard,costly-standard"}
    rows = client.get(url, compared).context["page"].object_list
    assert {(row.setting.name, row.other.setting.name) for row in rows} == {
        ("cheap-standard", "costly-standard")
    }


def test_judges_are_stopped_and_asked_again(client: Client, scored: Experiment) -> None:
    tables = reverse("experiment-tables", args=[scored.slug])
    assert "Stop judges" not in client.get(tables).content.decode()
    model = LanguageModel.objects.create(
        name="paid", role="judge", base_url="https://host.example/v1", model_id="j"
    )
    purse = purse_of(scored)
    plan(model, [{"role": "user", "content": "How useful?"}], batch=purse)
    page = text_of_page(client.get(tables).content.decode())
    assert "1 question to judges is open." in page and "Stop judges" in page
    client.post(reverse("experiment-judges-stop", args=[scored.slug]))
    page = text_of_page(client.get(tables).content.decode())
    assert "Stopped by ada." in page and "Stop judges" not in page
    purse.refresh_from_db()
    assert purse.state == BatchState.STOPPED
    client.post(reverse("experiment-score", args=[scored.slug]))
    purse.refresh_from_db()
    assert (purse.state, purse.reason) == (BatchState.RUNNING, "")
    told = AuditEvent.objects.filter(dataset=scored.dataset).order_by("pk")
    assert [each.action for each in told][-2:] == ["judges.stopped", "scores.requested"]


def test_judges_may_spend_what_drafts_may(scored: Experiment) -> None:
    set_limit(scored, Decimal("1.5"), by=None)
    assert purse_of(scored).spend_limit == Decimal("1.5")
    assert CallBatch.objects.get(pk=scored.batch_id).spend_limit == Decimal("1.5")


def test_a_row_says_how_it_was_made(client: Client, scored: Experiment) -> None:
    url = reverse("experiment-scores", args=[scored.slug])
    html = client.get(url, {"setting": "cheap-standard", "measure": "matches"}).content.decode()
    assert "undecided: needs_data" in html
    assert "no code in the answer" in html
    row = Score.objects.filter(setting__name="cheap-standard", measure="matches").first()
    assert row is not None
    assert row.inputs in html
    assert "No score like this" in client.get(url, {"example": "nope"}).content.decode()


def test_experiments_stand_side_by_side(client: Client, scored: Experiment) -> None:
    make_experiment("other")
    found = client.get(reverse("experiment-compare"), {"of": [scored.slug, "other"]})
    table = found.context["table"]
    assert len(table.columns) == 1 + 3 + 3
    matches = next(row for row in table.rows if row[0].value == "Matches")
    assert str(matches[2].value).startswith("50 %")
    assert matches[4].value == "–"
    assert client.get(reverse("experiment-compare")).status_code == 200


def test_what_is_not_scored_yet_is_found(scored: Experiment) -> None:
    assert not outdated().filter(pk=scored.pk).exists()
    Score.objects.filter(setting__experiment=scored, measure="matches")[0].delete()
    assert outdated().filter(pk=scored.pk).exists()


def test_pages_need_a_sign_in(scored: Experiment) -> None:
    for name in ("experiment-tables", "experiment-scores"):
        assert Client().get(reverse(name, args=[scored.slug])).status_code == 302
    assert Client().get(reverse("experiment-compare")).status_code == 302
