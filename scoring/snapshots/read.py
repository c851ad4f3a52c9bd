"""Take a snapshot in: all of it into a new or empty dataset, or nothing.

Hashes show damage, not forgery: a snapshot's verdicts and names are as good as who made it.
"""

import hashlib
import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TypeVar
from zlib import error as ZlibError  # noqa: N812

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.validators import validate_slug
from django.db import DataError, IntegrityError, connection, models, transaction

from curation.importers.snapshots import (
    FORMAT,
    Progress,
    Restored,
    SnapshotRefused,
    manifest_of,
)
from curation.importers.source import MOST_ATTACHMENT_BYTES
from curation.models import (
    Attachment,
    AuditEvent,
    Category,
    Comment,
    Dataset,
    Draft,
    Example,
    FixStep,
    Revision,
    Subcategory,
)
from curation.models.base import sha256
from curation.services.audit import Actor, record
from curation.services.datasets import create_dataset
from executor.enums import RunState
from executor.models import Run, Verdict
from executor.parity.contract import Contract, ContractError
from scoring.exporters.base import Tally
from scoring.models import ExportJob, Release
from scoring.snapshots.fields import (
    COMMENT_PEOPLE,
    DATASET,
    DRAFT_PEOPLE,
    EXAMPLES,
    FORMAT_VERSION,
    MANIFEST,
    OF_CATEGORY,
    OF_COMMENT,
    OF_DATASET,
    OF_DRAFT,
    OF_EVENT,
    OF_EXAMPLE,
    OF_REVISION,
    OF_RUN,
    OF_STEP,
    OF_VERDICT,
    TAXONOMY,
    TOLD,
    Broken,
    read_values,
)
from scoring.snapshots.write import file_of, snapshot_files

# One example with all its drafts, runs and history.
MOST_LINE_BYTES = 256 * 1024 * 1024
PIECE = 1 << 20

Raw = Mapping[str, Any]
M = TypeVar("M", bound=models.Model)


def restore_snapshot(
    file: Path | IO[bytes],
    slug: str,
    by: Actor = None,
    dry_run: bool = False,
    *,
    uploaded: bool = False,
    progress: Progress | None = None,
) -> Restored:
    """Make the dataset `slug` what the snapshot holds.

    Raises:
        SnapshotRefused: it is broken, the dataset holds something else already, or it is
            `uploaded` by someone who may not vouch for it.
    """
    _check_slug(slug)
    if uploaded:
        _check_origin(file, by)
    with _opened(file) as archive:
        manifest = _checked(archive)
        dataset = Dataset.objects.filter(slug=slug).first()
        if dataset is not None and dataset.examples.exists():
            return _compared(dataset, manifest)
        try:
            with transaction.atomic():
                restored = _Restore(archive, manifest, slug, by, dry_run, progress).all()
                if dry_run:
                    transaction.set_rollback(True)
        except (DataError, IntegrityError) as error:
            said = (str(error).splitlines() or [""])[0][:300]
            raise SnapshotRefused(f"The database refused the snapshot: {said}") from None
    return restored


@contextmanager
def _opened(file: Path | IO[bytes]) -> Iterator[zipfile.ZipFile]:
    """The archive; whatever its bytes make zipfile raise is a refusal."""
    try:
        with zipfile.ZipFile(file) as archive:
            yield archive
    except OSError as error:
        raise SnapshotRefused(f"The file cannot be read: {error.strerror or error}.") from None
    except (zipfile.BadZipFile, ZlibError, EOFError, NotImplementedError, RuntimeError) as error:
        raise SnapshotRefused(f"The zip file is broken: {error}.") from None


def _check_slug(slug: str) -> None:
    try:
        validate_slug(slug)
    except ValidationError:
        raise SnapshotRefused(f"“{slug}” cannot name a dataset.") from None
    if len(slug) > 64:
        raise SnapshotRefused(f"“{slug}” is longer than 64 letters.")


def _check_origin(file: Path | IO[bytes], by: Actor) -> None:
    """Names and verdicts in a snapshot are taken as they stand: not from just anyone.

    Raises:
        SnapshotRefused: this studio did not make it, and `by` does not administer the studio.
    """
    if by is not None and by.is_superuser:
        return
    digest = _digest(file)
    exports = ExportJob.objects.filter(format="snapshot", sha256=digest)
    if not exports.exists() and not Release.objects.filter(sha256=digest).exists():
        raise SnapshotRefused(
            "This studio did not make this snapshot, so the names and verdicts in it are only as "
            "good as who did. Someone who administers the studio can bring it in."
        )


def _digest(file: Path | IO[bytes]) -> str:
    if isinstance(file, Path):
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    file.seek(0)
    found = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    file.seek(0)
    return found


def _checked(archive: zipfile.ZipFile) -> dict[str, Any]:
    """The manifest, once every file was held against it.

    Raises:
        SnapshotRefused: a file is missing, too many, or not what the manifest says.
    """
    manifest = manifest_of(archive)
    version = str(manifest.get("format_version"))
    if manifest.get("format") != FORMAT:
        raise SnapshotRefused("This zip file is no snapshot of a dataset.")
    if version.partition(".")[0] != FORMAT_VERSION.partition(".")[0]:
        raise SnapshotRefused(
            f"The snapshot's format is {version}; this studio reads {FORMAT_VERSION}. "
            "Use a studio of its time, or a newer one."
        )
    files = manifest.get("files")
    names = [name for name in archive.namelist() if name != MANIFEST]
    if not isinstance(files, dict) or sorted(names) != sorted(files):
        raise SnapshotRefused("Its manifest does not name exactly the files that are in it.")
    if missing := {DATASET, TAXONOMY, EXAMPLES} - files.keys():
        raise SnapshotRefused(f"{sorted(missing)[0]} is missing.")
    for name, told in files.items():
        _check_file(archive, name, told)
    return manifest


def _check_file(archive: zipfile.ZipFile, name: str, told: Any) -> None:
    size = told.get("bytes") if isinstance(told, dict) else None
    digest, seen = hashlib.sha256(), 0
    with archive.open(name) as member:
        while piece := member.read(PIECE):
            digest.update(piece)
            seen += len(piece)
            if not isinstance(size, int) or seen > size:
                break
    if seen != size or digest.hexdigest() != told.get("sha256"):
        raise SnapshotRefused(f"{name} is not what the manifest says: it was changed or damaged.")


def _compared(dataset: Dataset, manifest: Raw) -> Restored:
    tally = Tally()
    if snapshot_files(dataset, tally) == manifest["files"]:
        return Restored(dataset.slug, tally.examples, tally.steps, same=True)
    raise SnapshotRefused(
        f"Dataset {dataset.slug} holds other examples already. A snapshot goes into a new or "
        "empty dataset: choose another one."
    )


@dataclass(slots=True)
class _Restore:
    """One snapshot on its way in."""

    archive: zipfile.ZipFile
    manifest: Raw
    slug: str
    by: Actor
    dry_run: bool
    progress: Progress | None = None
    tally: Tally = field(default_factory=Tally)
    people: dict[str, User] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)
    categories: dict[str, Category] = field(default_factory=dict)
    subcategories: dict[tuple[str, str], Subcategory | None] = field(default_factory=dict)

    def all(self) -> Restored:
        with self._told(DATASET):
            dataset = self._dataset(self._json(DATASET))
        with self._told(TAXONOMY):
            for raw in _list(self._json(TAXONOMY)):
                self._category(_object(raw))
        seen, size = 0, self.archive.getinfo(EXAMPLES).file_size
        for number, line in enumerate(self._lines(), start=1):
            with self._told(f"{EXAMPLES}, line {number}"):
                self._example(dataset, _object(_parsed(line)))
            seen += len(line)
            if self.progress:
                self.progress(seen, size)
        _check_constraints()
        record(
            "dataset.restored",
            dataset,
            dataset=dataset,
            by=self.by,
            snapshot=sha256(json.dumps(self.manifest, sort_keys=True)),
            people=self.made,
        )
        counts = self.tally.examples, self.tally.steps
        return Restored(self.slug, *counts, tuple(self.made), dry_run=self.dry_run)

    @contextmanager
    def _told(self, where: str) -> Iterator[None]:
        """What is wrong within it is said with where it stands."""
        try:
            yield
        except Broken as broken:
            raise SnapshotRefused(f"{where}: {broken}") from None
        except (DataError, IntegrityError) as error:
            said = (str(error).splitlines() or [""])[0][:300]
            raise SnapshotRefused(f"{where}: the database refused it: {said}") from None

    def _json(self, name: str) -> Any:
        with self.archive.open(name) as member:
            return _parsed(member.read(MOST_LINE_BYTES))

    def _lines(self) -> Iterator[bytes]:
        with self.archive.open(EXAMPLES) as member:
            while line := member.readline(MOST_LINE_BYTES):
                yield line

    def _dataset(self, raw: Any) -> Dataset:
        values = read_values(Dataset, _object(raw), OF_DATASET)
        author = self._person(raw.get("created_by"))
        there = Dataset.objects.filter(slug=self.slug).first()
        dataset = there or create_dataset(slug=self.slug, title=values["title"], by=self.by)
        Dataset.objects.filter(pk=dataset.pk).update(**values, created_by=author)
        dataset.refresh_from_db()
        return dataset

    def _category(self, raw: Raw) -> None:
        """The category of that name here, or what it was merged into, or a new one."""
        values = read_values(Category, raw, OF_CATEGORY)
        same = _called(values)
        found = Category.ever.filter(same).order_by("retired").first()
        category = (found and (found.merged_into or found)) or Category.objects.create(**values)
        self.categories[values["slug"]] = category
        for sub in _list(raw.get("subcategories")):
            own = read_values(Subcategory, _object(sub), OF_CATEGORY)
            there = Subcategory.ever.filter(_called(own), category=category)
            old = there.order_by("retired").first()
            if old is None:
                old = Subcategory.objects.create(category=category, **own)
            # One that was dissolved here leaves its steps with the category alone.
            now = old.merged_into if old.retired else old
            self.subcategories[values["slug"], own["slug"]] = now

    def _example(self, dataset: Dataset, raw: Raw) -> None:
        values = read_values(Example, raw, OF_EXAMPLE)
        _check_contract(values["contract"])
        example = _insert(Example(dataset=dataset, **values))
        files = {_text(item, "name"): self._file(example, item) for item in _objects(raw, "files")}
        drafts = [self._draft(example, item) for item in _objects(raw, "drafts")]
        for own, item in zip(drafts, _objects(raw, "drafts"), strict=True):
            original = _numbered(drafts, item.get("original"), "original")
            if original is not None:
                Draft.objects.filter(pk=own.draft.pk).update(original=original.draft)
        codes = {code: text for own in drafts for code, text in own.codes.items()}
        for item in _objects(raw, "runs"):
            self._run(example, drafts, codes, item)
        keys = _Targets(example, files, drafts)
        for item in _objects(raw, "history"):
            self._event(dataset, keys, item)
        self.tally.examples += 1

    def _file(self, example: Example, raw: Raw) -> Attachment:
        name = _text(raw, "name")
        try:
            with self.archive.open(file_of(example.example_id, name)) as member:
                content = member.read(MOST_ATTACHMENT_BYTES + 1)
        except KeyError:
            raise Broken(f"The data file {name} is missing.") from None
        if len(content) > MOST_ATTACHMENT_BYTES:
            raise Broken(f"The data file {name} is larger than a data file may be.")
        return _insert(
            Attachment(example=example, name=name, content=content, sha256=sha256(content))
        )

    def _draft(self, example: Example, raw: Raw) -> "_Restored":
        draft = _insert(
            Draft(
                example=example,
                **read_values(Draft, raw, OF_DRAFT),
                **self._named(raw, DRAFT_PEOPLE),
            )
        )
        own = _Restored(draft)
        for item in _objects(raw, "revisions"):
            values = read_values(Revision, item, OF_REVISION)
            revision = Revision(
                draft=draft,
                sha256=sha256(values["code"]),
                **values,
                **self._named(item, ("created_by",)),
            )
            own.revisions[revision.number] = _insert(revision)
            own.codes[revision.sha256] = revision.code
        if 0 not in own.revisions:
            raise Broken("A draft has no revision 0.")
        for item in _objects(raw, "steps"):
            step = self._step(own, item)
            own.steps[step.order] = step
        for item in _objects(raw, "comments"):
            own.comments.append(self._comment(own, item))
        self.tally.steps += 0 if raw.get("original") else len(own.steps)
        return own

    def _step(self, own: "_Restored", raw: Raw) -> FixStep:
        category = self.categories.get(str(raw.get("category")))
        key = (str(raw.get("category")), str(raw.get("subcategory")))
        if raw.get("category") is not None and category is None:
            raise Broken(f"The category {str(raw.get('category'))[:60]} is not in {TAXONOMY}.")
        if raw.get("subcategory") is not None and key not in self.subcategories:
            raise Broken(f"The subcategory {key[1][:60]} is not in {TAXONOMY}.")
        sub = self.subcategories.get(key)
        return _insert(
            FixStep(
                draft=own.draft,
                **read_values(FixStep, raw, OF_STEP),
                category=sub.category if sub else category,
                subcategory=sub,
                before=own.revision(raw.get("before")),
                after=own.revision(raw.get("after")),
                **self._named(raw, ("author",)),
            )
        )

    def _comment(self, own: "_Restored", raw: Raw) -> Comment:
        step = own.steps.get(raw["step"]) if isinstance(raw.get("step"), int) else None
        values = read_values(Comment, raw, OF_COMMENT)
        named = self._named(raw, COMMENT_PEOPLE)
        return _insert(Comment(draft=own.draft, step=step, **values, **named))

    def _run(
        self, example: Example, drafts: list["_Restored"], codes: dict[str, str], raw: Raw
    ) -> None:
        values = read_values(Run, raw, OF_RUN)
        code = raw["code"] if isinstance(raw.get("code"), str) else codes.get(values["code_hash"])
        if code is None or sha256(code) != values["code_hash"]:
            raise Broken("The code of a run is missing, or another one than its hash says.")
        draft = _numbered(drafts, raw.get("draft"), "draft")
        run = Run(
            example=example,
            draft=draft.draft if draft else None,
            code=code,
            state=RunState.FINISHED,
            **values,
            **self._named(raw, ("requested_by",)),
        )
        told = _object(raw.get("verdict"))
        _insert(Verdict(run=_insert(run), **read_values(Verdict, told, OF_VERDICT)))

    def _event(self, dataset: Dataset, keys: "_Targets", raw: Raw) -> None:
        values = read_values(AuditEvent, raw, OF_EVENT)
        told = _object(raw.get("data"))
        draft = _numbered(keys.drafts, raw.get("draft"), "draft")
        _insert(
            AuditEvent(
                **values,
                dataset=dataset,
                draft_pk=draft.draft.pk if draft else None,
                target_id=keys.find(values["target_type"], raw.get("key")),
                # Marked, so that nobody takes back what was done on another server.
                data={name: told[name] for name in TOLD if name in told} | {"restored": True},
                **self._named(raw, ("actor",)),
            )
        )

    def _named(self, raw: Raw, names: tuple[str, ...]) -> dict[str, User | None]:
        return {name: self._person(raw.get(name)) for name in names}

    def _person(self, name: Any) -> User | None:
        """The account of that name; one that cannot sign in is made where there is none."""
        if name is None:
            return None
        if not isinstance(name, str):
            raise Broken("A person's name is not text.")
        if name not in self.people:
            found = User.objects.filter(username=name).first()
            self.people[name] = found or self._stranger(name)
        return self.people[name]

    def _stranger(self, name: str) -> User:
        read_values(User, {"username": name}, ("username",))
        user = User(username=name, is_active=False)
        user.set_unusable_password()
        user.save()
        self.made.append(name)
        return user


@dataclass(slots=True)
class _Restored:
    """A draft that is in, and what belongs to it by its key in the snapshot."""

    draft: Draft
    revisions: dict[int, Revision] = field(default_factory=dict)
    codes: dict[str, str] = field(default_factory=dict)
    steps: dict[int, FixStep] = field(default_factory=dict)
    comments: list[Comment] = field(default_factory=list)

    def revision(self, number: Any) -> Revision | None:
        if number is None:
            return None
        if not isinstance(number, int) or number not in self.revisions:
            raise Broken(f"A step names the revision {str(number)[:20]}, which is not there.")
        return self.revisions[number]


@dataclass(frozen=True, slots=True)
class _Targets:
    """Finds the number here of what an event is about; "" when it is gone."""

    example: Example
    files: dict[str, Attachment]
    drafts: list[_Restored]

    def find(self, kind: str, key: Any) -> str:
        found: models.Model | None = None
        match kind, key:
            case "example", []:
                found = self.example
            case "attachment", [str(name)]:
                found = self.files.get(name)
            case "draft", [int(number)]:
                own = _numbered(self.drafts, number, "draft")
                found = own.draft if own else None
            case "fixstep", [int(number), int(order)]:
                own = _numbered(self.drafts, number, "draft")
                found = own.steps.get(order) if own else None
            case "comment", [int(number), int(place)]:
                own = _numbered(self.drafts, number, "draft")
                inside = own is not None and 1 <= place <= len(own.comments)
                found = own.comments[place - 1] if own and inside else None
        return str(found.pk) if found is not None else ""


def _numbered(drafts: list[_Restored], number: Any, name: str) -> _Restored | None:
    if number is None:
        return None
    if not isinstance(number, int) or not 1 <= number <= len(drafts):
        raise Broken(f"{name} names the draft {str(number)[:20]}, which is not there.")
    return drafts[number - 1]


def _insert(item: M) -> M:
    """Store a record with the times that it has: `save` would take now."""
    item.save_base(raw=True, force_insert=True)
    return item


def _called(values: Raw) -> models.Q:
    return models.Q(slug=values["slug"]) | models.Q(name__iexact=values["name"])


def _check_contract(contract: Any) -> None:
    if contract is None:
        return
    try:
        Contract.from_json(contract)
    except ContractError as error:
        raise Broken(f"contract: {error}") from None


def _check_constraints() -> None:
    """Deferred checks, now: a refusal must come while everything can still be undone."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Broken("It is no JSON.") from None


def _object(raw: Any) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise Broken("Something is no object where one belongs.")
    return raw


def _list(raw: Any) -> list[Any]:
    if not isinstance(raw, list):
        raise Broken("Something is no list where one belongs.")
    return raw


def _objects(raw: Raw, name: str) -> list[dict[str, Any]]:
    if not isinstance(raw.get(name), list):
        raise Broken(f"{name} is missing or no list.")
    return [_object(item) for item in raw[name]]


def _text(raw: Raw, name: str) -> str:
    value = raw.get(name)
    if not isinstance(value, str):
        raise Broken(f"{name} is missing or not text.")
    return value
