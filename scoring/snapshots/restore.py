"""One snapshot's records on their way into the database, example by example."""

import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import User
from django.db import DataError, IntegrityError, connection, models

from curation.importers.snapshots import Progress, Restored, SnapshotRefused
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
from curation.services.copying import NewRows
from curation.services.datasets import create_dataset
from executor.enums import RunState
from executor.models import Run, Verdict
from executor.parity.contract import Contract, ContractError
from scoring.exporters.base import Tally
from scoring.snapshots.fields import (
    COMMENT_PEOPLE,
    DATASET,
    DRAFT_PEOPLE,
    EXAMPLES,
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
from scoring.snapshots.write import file_of

# One example with all its drafts, runs and history.
MOST_LINE_BYTES = 256 * 1024 * 1024
# In this order: a row comes after those that it names.
TABLES = (Example, Attachment, Draft, Revision, FixStep, Comment, Run, Verdict, AuditEvent)

Raw = Mapping[str, Any]


@dataclass(slots=True)
class Restore:
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
    rows: NewRows = field(default_factory=lambda: NewRows(TABLES))

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
                self.rows.store()
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
        example = self.rows.add(Example(dataset=dataset, **values))
        files = {_text(item, "name"): self._file(example, item) for item in _objects(raw, "files")}
        drafts = [self._draft(example, item) for item in _objects(raw, "drafts")]
        for own, item in zip(drafts, _objects(raw, "drafts"), strict=True):
            original = _numbered(drafts, item.get("original"), "original")
            if original is not None:
                own.draft.original = original.draft
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
        return self.rows.add(
            Attachment(example=example, name=name, content=content, sha256=sha256(content))
        )

    def _draft(self, example: Example, raw: Raw) -> "_Restored":
        draft = self.rows.add(
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
            if revision.number in own.revisions:
                raise Broken(f"Two revisions have the number {revision.number}.")
            own.revisions[revision.number] = self.rows.add(revision)
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
        return self.rows.add(
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
        return self.rows.add(Comment(draft=own.draft, step=step, **values, **named))

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
        self.rows.add(Verdict(run=self.rows.add(run), **read_values(Verdict, told, OF_VERDICT)))

    def _event(self, dataset: Dataset, keys: "_Targets", raw: Raw) -> None:
        values = read_values(AuditEvent, raw, OF_EVENT)
        told = _object(raw.get("data"))
        draft = _numbered(keys.drafts, raw.get("draft"), "draft")
        self.rows.add(
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
