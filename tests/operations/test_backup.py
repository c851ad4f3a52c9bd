"""A backup of a studio with data, restored into an empty one, is the same data."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings as conf
from django.db import connection
from psycopg.sql import SQL, Identifier

from curation.llm.keys import seal
from curation.models import LanguageModel
from curation.services import comments
from curation.services.steps import StepText, save_step
from executor import pipeline
from executor.services import request_run
from scoring.exports.files import path_of
from scoring.models import Release
from t2j_site.backup import BackupError, back_up, restore
from tests.factories import FIXED, make_dataset, make_draft, make_user
from tests.pages.conftest import FAILED
from tests.scoring.judged import verified_example
from tests.scoring.test_export_jobs import release
from tests.workers import environment

_NEW = "t2j_restored"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data folder of the studio that is restored into."""
    return tmp_path / "there"


@pytest.fixture
def studio(transactional_db: None, tmp_path: Path, settings: Any) -> None:
    """A little of everything, with bytes and characters that dumps get wrong, and a release."""
    settings.T2J_DATA = tmp_path / "here"
    person = make_user("ada")
    draft = make_draft(by=person)
    draft.example.attachments.create(name="key.bin", content=bytes(range(256)))
    save_step(draft, base=0, code=FIXED, text=StepText(error="“\\N\t”"), by=person)
    comments.add_comment(draft, text="Why?\n\\.\nSo.", by=person)
    run = pipeline.claim(request_run(draft.example, FIXED, draft=draft, by=None).pk)
    assert run is not None and pipeline.store(run, FAILED)
    dataset = make_dataset("kept")
    verified_example(dataset)
    release(dataset, "1.0.0")
    LanguageModel.objects.create(name="m", base_url="https://x", model_id="m", sealed_key=seal("k"))


@pytest.fixture
def empty(transactional_db: None) -> Iterator[str]:
    """The address of an empty database."""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {_NEW}")
        cursor.execute(f"CREATE DATABASE {_NEW}")
        here = environment()["DATABASE_URL"]
        yield here.replace(f"/{connection.settings_dict['NAME']}", f"/{_NEW}", 1)
        cursor.execute(f"DROP DATABASE {_NEW} WITH (FORCE)")


def manage(url: str, data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"DATABASE_URL": url, "T2J_SECRET_KEY": "another key", "T2J_DATA": str(data)}
    env.pop("T2J_SECRET_KEY_FILE", None)
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(
        command, env=env, cwd=conf.BASE_DIR, capture_output=True, text=True, check=False
    )


def contents(url: str) -> dict[str, tuple[int, str]]:
    """Of each table how many rows, and a digest of all of them."""
    found = {}
    with psycopg.connect(url) as there:
        tables = there.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for (table,) in tables.fetchall():
            if table == "django_session":
                continue
            query = SQL("SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {} t")
            row = there.execute(query.format(Identifier(table))).fetchone()
            assert row is not None
            found[table] = row
    return found


def test_restored_into_an_empty_studio_it_is_the_same(
    studio: None, empty: str, data: Path, tmp_path: Path
) -> None:
    file = tmp_path / "all.t2j"
    assert back_up(file).missing == []
    assert file.stat().st_mode & 0o077 == 0
    done = manage(empty, data, "restore", str(file))
    assert done.returncode == 0, done.stderr
    assert "enter them again in the admin pages: m." in done.stdout
    before = contents(environment()["DATABASE_URL"])
    assert before["curation_revision"][0] == 4
    assert contents(empty) == before
    kept = Release.objects.get().path
    assert (data / "exports" / kept).read_bytes() == path_of(kept).read_bytes()

    # What the restored studio writes next must not collide, and it can be replaced as a whole.
    with psycopg.connect(empty, autocommit=True) as there:
        there.execute("UPDATE auth_user SET username = 'changed'")
        there.execute("CREATE TABLE left_over (id int)")
    again = tmp_path / "again.t2j"
    refused = manage(empty, data, "restore", str(file))
    assert refused.returncode == 1
    assert "The database is not empty" in refused.stderr
    assert manage(empty, data, "restore", "--replace", str(file)).returncode == 0
    assert contents(empty) == before
    assert "Files of releases: 1" in manage(empty, data, "backup", str(again)).stdout
    assert manage(empty, data, "restore", "--replace", str(again)).returncode == 0
    assert contents(empty) == before


def test_a_running_studio_is_not_replaced(studio: None, tmp_path: Path) -> None:
    file = tmp_path / "all.t2j"
    back_up(file)
    with (
        psycopg.connect(environment()["DATABASE_URL"]),
        pytest.raises(BackupError, match=r"\d+ other connections use the database: end the studio"),
    ):
        restore(file, replace=True)


def test_a_damaged_backup_touches_nothing(studio: None, tmp_path: Path) -> None:
    file = tmp_path / "all.t2j"
    back_up(file)
    whole = file.read_bytes()
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 1
    before = contents(environment()["DATABASE_URL"])
    for content, words in (
        (whole[: len(whole) // 2], "no backup, or it is cut off or damaged"),
        (bytes(damaged), "damaged"),
        (b"", "no backup"),
    ):
        file.write_bytes(content)
        with pytest.raises(BackupError, match=words):
            restore(file, replace=True)
    assert contents(environment()["DATABASE_URL"]) == before


def test_a_lost_file_of_a_release_is_told(studio: None, tmp_path: Path) -> None:
    kept = Release.objects.get().path
    path_of(kept).unlink()
    assert back_up(tmp_path / "all.t2j").missing == [kept]


def test_what_is_no_backup_says_so(db: None, tmp_path: Path) -> None:
    file = tmp_path / "other.zip"
    with pytest.raises(BackupError, match="is not there"):
        restore(file)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x", "y")
    with pytest.raises(BackupError, match=r"it has no manifest\.json"):
        restore(file)
    with pytest.raises(BackupError, match="is there already"):
        back_up(file)
    with pytest.raises(BackupError, match="cannot be written"):
        back_up(tmp_path / "no" / "such" / "folder")
