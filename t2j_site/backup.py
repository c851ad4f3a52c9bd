"""Everything that people and machines made, in one file, and back.

The file is a zip: `database.dump` as pg_dump writes it, the files of releases, and `manifest.json`,
written last. All other data is in the database, attached files included. What is not in it can be
made again (exports that are no releases, recorded references, logs, the queue), or must not lie
beside the data: the secret key.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from curation.llm.keys import NoKey, key_of
from curation.models import LanguageModel
from scoring.exports.files import path_of
from scoring.models import Release
from t2j_site.launch.errors import LaunchError
from t2j_site.launch.postgres import tools

FORMAT = 1
Pipe = int | IO[bytes] | None
_DUMP, _MANIFEST, _FILES = "database.dump", "manifest.json", "files/"
_BLOCK = 1 << 20
# Who owns what is up to the server that it is restored into.
_PLAIN = ("--no-owner", "--no-privileges")
# As initdb makes it: another owner would be part of the next backup.
_EMPTY = (
    "DROP SCHEMA public CASCADE;\nCREATE SCHEMA public;\n"
    "ALTER SCHEMA public OWNER TO pg_database_owner;\n"
)


class BackupError(Exception):
    """Why a backup cannot be made or restored, and what to do; the text is for a person."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds."""

    format: int
    made_at: str
    postgres: int
    sha256: str
    size: int
    migrations: list[str]
    files: dict[str, str]  # of releases, each by its path with its SHA-256
    missing: list[str]  # files of releases that were not there


def back_up(file: Path) -> Manifest:
    """Writes everything to `file`, of one moment, while the studio may run.

    Raises:
        BackupError: it cannot be written, or pg_dump refused.
    """
    if file.exists():
        raise BackupError(f"{file} is there already: choose another name, or move it away.")
    part = file.with_name(f"{file.name}.part")
    try:
        with _private(part) as handle, zipfile.ZipFile(handle, "w") as archive:
            digest, size = _dump(archive)
            # After the dump: what it names must be here, and releases never change.
            files, missing = _pack(archive)
            manifest = Manifest(
                format=FORMAT,
                made_at=datetime.now(UTC).isoformat(timespec="seconds"),
                postgres=_server(),
                sha256=digest,
                size=size,
                migrations=sorted(_applied()),
                files=files,
                missing=missing,
            )
            archive.writestr(_MANIFEST, json.dumps(asdict(manifest), indent=1))
        part.rename(file)
    except OSError as error:
        raise BackupError(f"{file} cannot be written: {error.strerror}.") from error
    finally:
        part.unlink(missing_ok=True)
    return manifest


@contextmanager
def _private(path: Path) -> Iterator[IO[bytes]]:
    """A new file that only its owner reads: it holds password hashes and API tokens."""
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        yield file


def _dump(archive: zipfile.ZipFile) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    # Sessions are sign-ins of browsers: nobody wants them back.
    argv = ["--format=custom", *_PLAIN, "--exclude-table-data=*.django_session"]
    process = _start("pg_dump", argv, stdout=subprocess.PIPE)
    assert process.stdout
    with archive.open(_DUMP, "w", force_zip64=True) as out:
        while block := process.stdout.read(_BLOCK):
            digest.update(block)
            size += len(block)
            out.write(block)
    _check_end(process)
    return digest.hexdigest(), size


def _pack(archive: zipfile.ZipFile) -> tuple[dict[str, str], list[str]]:
    packed, missing = {}, []
    for stored in Release.objects.order_by("path").values_list("path", flat=True):
        path = path_of(stored)
        if path.is_file():
            archive.write(path, f"{_FILES}{stored}")
            with path.open("rb") as file:
                packed[stored] = hashlib.file_digest(file, "sha256").hexdigest()
        else:
            missing.append(stored)
    return packed, missing


def restore(file: Path, *, replace: bool = False) -> Manifest:
    """Puts a backup into an empty database, or with `replace` in the place of what is there.

    All of it or nothing: the restore is one transaction. Then newer migrations are applied.

    Raises:
        BackupError: the file is no backup or damaged, the studio runs, or it holds data.
    """
    with _opened(file) as archive:
        manifest = _checked(archive, file)
        _check_target(replace=replace)
        connection.close()
        _unpack(archive, manifest)
        _load(archive, replace=replace)
    call_command("migrate", interactive=False, verbosity=0)
    return manifest


def lost_keys() -> list[str]:
    """Models whose stored key cannot be opened with the present secret key."""
    lost = []
    for model in LanguageModel.objects.exclude(sealed_key="").filter(key_env=""):
        try:
            key_of(model)
        except NoKey:
            lost.append(model.name)
    return lost


@contextmanager
def _opened(file: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(file) as archive:
            yield archive
    except FileNotFoundError:
        raise BackupError(f"{file} is not there.") from None
    except zipfile.BadZipFile as error:
        raise BackupError(f"{file} is no backup, or it is cut off or damaged: {error}.") from error
    except OSError as error:
        raise BackupError(f"{file} cannot be read: {error.strerror}.") from error


def _checked(archive: zipfile.ZipFile, file: Path) -> Manifest:
    if not {_DUMP, _MANIFEST} <= set(archive.namelist()):
        raise BackupError(f"{file} is a zip, but no backup: it has no {_MANIFEST} or {_DUMP}.")
    try:
        manifest = Manifest(**json.loads(archive.read(_MANIFEST)))
    except (ValueError, TypeError) as error:
        raise BackupError(f"{file}: its {_MANIFEST} is damaged.") from error
    if manifest.format != FORMAT:
        raise BackupError(f"{file} was made by another version: update the studio first.")
    unknown = set(manifest.migrations) - _known()
    if unknown:
        raise BackupError(
            f"{file} was made by a newer version ({', '.join(sorted(unknown)[:3])}):"
            " update the studio first."
        )
    parts = {_DUMP: manifest.sha256}
    parts |= {f"{_FILES}{stored}": sha256 for stored, sha256 in manifest.files.items()}
    for name, sha256 in parts.items():
        if name not in archive.namelist() or _digest(archive, name) != sha256:
            raise BackupError(f"{file} is damaged: {name} is not what was written.")
    return manifest


def _digest(archive: zipfile.ZipFile, name: str) -> str:
    digest = hashlib.sha256()
    with archive.open(name) as part:
        while block := part.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _unpack(archive: zipfile.ZipFile, manifest: Manifest) -> None:
    """Before the database: no release is without its file. One that is here already stays."""
    for stored in manifest.files:
        path = path_of(stored)
        if not path.resolve().is_relative_to(path_of("").resolve()):
            raise BackupError(f"The backup names a file outside its folder: {stored}.")
        if path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.partial")
        with archive.open(f"{_FILES}{stored}") as source, partial.open("wb") as out:
            shutil.copyfileobj(source, out, _BLOCK)
        partial.chmod(0o444)
        partial.replace(path)


def _check_target(*, replace: bool) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        (others,) = cursor.fetchone()
        if others:
            raise BackupError(
                f"{others} other connections use the database: end the studio (./t2j stop) and"
                " its workers first."
            )
        tables = connection.introspection.table_names(cursor)
        if tables and not replace:
            raise BackupError(
                "The database is not empty. Restore into a new data folder (--data DIR), or add"
                " --replace, which deletes everything that is there."
            )


def _load(archive: zipfile.ZipFile, *, replace: bool) -> None:
    """Has psql do what pg_restore says, as one transaction."""
    psql = _start(
        "psql", ["--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1"], stdin=subprocess.PIPE
    )
    assert psql.stdin
    psql.stdin.write(f"BEGIN;\n{_EMPTY if replace else ''}".encode())
    psql.stdin.flush()
    reader = _start("pg_restore", [*_PLAIN, "--file=-"], stdin=subprocess.PIPE, stdout=psql.stdin)
    assert reader.stdin
    # A program that refused is told of below, by its own words.
    with contextlib.suppress(BrokenPipeError), reader.stdin, archive.open(_DUMP) as dump:
        shutil.copyfileobj(dump, reader.stdin, _BLOCK)
    with contextlib.suppress(BrokenPipeError), psql.stdin:
        # Without this word psql undoes everything when its input ends.
        if reader.wait() == 0:
            psql.stdin.write(b"COMMIT;\n")
    _check_end(psql)
    _check_end(reader)


def _start(
    name: str, argv: list[str], *, stdin: Pipe = None, stdout: Pipe = subprocess.DEVNULL
) -> subprocess.Popen[bytes]:
    """One of PostgreSQL's programs, on our database."""
    try:
        program = tools(_server()) / name
    except LaunchError as error:
        raise BackupError(str(error)) from error
    return subprocess.Popen(
        [program, *argv],
        env=_environment(),
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.PIPE,
    )


def _check_end(process: subprocess.Popen[bytes]) -> None:
    """Waits for it; raises BackupError with its own words when it failed."""
    assert process.stderr
    with process.stderr:
        said = process.stderr.read().decode(errors="replace").strip()
    if process.wait():
        name = Path(str(process.args[0])).name  # type: ignore[index]
        raise BackupError(f"{name} failed: {said[-500:]}")


def _environment() -> Mapping[str, str]:
    """Where our database is. By the environment: arguments are seen in lists of processes."""
    given = connection.settings_dict
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
    where = {
        "PGDATABASE": given["NAME"],
        "PGUSER": given["USER"],
        "PGPASSWORD": given["PASSWORD"],
        "PGHOST": given["HOST"] or given.get("OPTIONS", {}).get("host", ""),
        "PGPORT": str(given["PORT"] or ""),
        "PGCLIENTENCODING": "UTF8",
    }
    return kept | {name: str(value) for name, value in where.items() if value}


def _server() -> int:
    """The major version of the server."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        found = re.match(r"\d+", cursor.fetchone()[0])
    assert found
    return int(found[0])


def _applied() -> set[str]:
    return {f"{app}.{name}" for app, name in MigrationRecorder(connection).applied_migrations()}


def _known() -> set[str]:
    loader = MigrationLoader(None)
    return {f"{app}.{name}" for app, name in loader.disk_migrations}
