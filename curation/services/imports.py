"""Import files into a dataset: every record on its own, and a sentence on whatever was odd."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from django.conf import settings
from django.db import DataError, IntegrityError, transaction
from django.db.models import Q

from curation.enums import Located, ModelRole, Role
from curation.importers import open_file
from curation.importers.base import NotThisFormat, Options
from curation.importers.replay import PlannedStep
from curation.importers.report import Note, Report
from curation.importers.source import Source, Unreadable
from curation.models import Attachment, AuditEvent, Dataset, Draft, Example, FixStep, LanguageModel
from curation.models.base import sha256
from curation.records import RECORD_PARTS, Output, Record, record_of
from curation.services.audit import Actor, record
from curation.services.datasets import create_dataset
from curation.services.drafts import add_draft
from curation.services.import_store import (
    WORDS,
    Prepared,
    Store,
    changed_fields,
    draft_changed,
    last_imports,
)

# Called with the file's name, the bytes read and the bytes in it.
Progress = Callable[[str, int, int], None]

# Files in a folder or zip that have other names need not be meant.
EXTENSIONS = (".json", ".jsonl", ".ndjson", ".ipynb", ".py", ".parquet")
# Records that are stored in one transaction: so many, or so many characters.
BATCH = 500
BATCH_CHARACTERS = 4_000_000


def import_files(
    dataset: Dataset,
    sources: Iterable[Source],
    *,
    by: Actor,
    dry_run: bool = False,
    progress: Progress | None = None,
    options: Options | None = None,
    update: bool = True,
) -> Report:
    """Import each file; a record that cannot be taken is refused alone, and the rest goes on.

    A record that the dataset holds already is counted as the same. One that differs from what it
    holds changes the example, whose history keeps what was; without `update` it is refused. An
    unsaved `dataset` is made with the first record that is taken. With `dry_run` nothing is
    written.
    """
    report = Report(dataset=dataset.slug, dry_run=dry_run)
    job = _Import(dataset, by, report, progress, options or Options(), update)
    for source in sources:
        job.take_file(source)
    return job.report


@transaction.atomic
def remove_outdated(dataset: Dataset, source: Source, *, by: Actor) -> dict[str, int]:
    """Take out the examples that differ from their record in `source` and that no person touched.

    Returns:
        The positions they had, by Example_id; importing `source` then stores them anew.

    Raises:
        Unreadable, NotThisFormat: the file cannot be read.
    """
    content, format_ = open_file(source, settings.T2J_IMPORT_BYTES)
    records = {item.example_id: item for item in format_.read(content) if isinstance(item, Record)}
    removed = {}
    for example in dataset.examples.filter(example_id__in=records):
        if not _is_same(example.pk, records[example.example_id]) and not _was_touched(example):
            removed[example.example_id] = example.position
            record("example.removed", example, dataset=dataset, by=by)
            example.delete()
    return removed


def _is_same(example_pk: int, found: Record) -> bool:
    """Whether this example came from a record with the same content, or holds the same now."""
    last = last_imports([example_pk]).get(example_pk, {})
    if last.get("fingerprint") == found.fingerprint():
        return True
    return record_of(Example.objects.prefetch_related(*RECORD_PARTS).get(pk=example_pk)) == found


def _was_touched(example: Example) -> bool:
    """Whether a person wrote, judged or changed anything about the example."""
    drafts, steps = example.drafts.all(), FixStep.objects.filter(draft__example=example)
    told = Q(target_type="example", target_id=str(example.pk))
    told |= Q(target_type="draft", target_id__in=[str(draft.pk) for draft in drafts])
    told |= Q(target_type="fixstep", target_id__in=[str(step.pk) for step in steps])
    return AuditEvent.objects.filter(told, actor__isnull=False).exists()


@dataclass(slots=True)
class _Import:
    """One import under way."""

    dataset: Dataset
    by: Actor
    report: Report
    progress: Progress | None
    options: Options
    update: bool
    # Example_ids in the dataset.
    known: dict[str, int] = field(default_factory=dict)
    # Where each Example_id of this import stood first, and what the record said.
    seen: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    answers: set[bytes] = field(default_factory=set)
    # What was read of the file and not yet stored or said, in the file's order.
    waiting: list[Prepared | Output | Note] = field(default_factory=list)
    characters: int = 0
    store: Store = field(init=False)

    def __post_init__(self) -> None:
        self.store = Store(self.dataset, self.by)
        if self.dataset.pk is not None:
            self.known = dict(self.dataset.examples.values_list("example_id", "pk"))

    def take_file(self, source: Source) -> None:
        self.report.files += 1
        try:
            content, format_ = open_file(source, settings.T2J_IMPORT_BYTES, self.options)
            for item in format_.read(content):
                self._take(source, item)
                if self.progress:
                    self.progress(source.name, content.consumed, source.size())
        except (Unreadable, NotThisFormat) as refusal:
            self._refuse_file(source, str(refusal))
        else:
            if self.progress:
                self.progress(source.name, source.size(), source.size())
        self._flush(source)

    def _take(self, source: Source, item: Record | Output | Note) -> None:
        waits = self._first_of(source, item) if isinstance(item, Record) else item
        if waits is None:
            return
        self.waiting.append(waits)
        self.characters += waits.size if isinstance(waits, Prepared) else 0
        if len(self.waiting) >= BATCH or self.characters > BATCH_CHARACTERS:
            self._flush(source)

    def _first_of(self, source: Source, found: Record) -> Prepared | Note | None:
        """The record with its plan; a refusal, or None, for an Example_id that came before."""
        fingerprint = found.fingerprint()
        said = bytes.fromhex(fingerprint)[:16]
        before = self.seen.get(found.example_id)
        if before is None:
            self.seen[found.example_id] = (source.name, said)
            return _prepared(source, found, fingerprint)
        file, content = before
        if file != source.name and content == said:
            self.report.same += 1
            return None
        where = "in the file more than once" if file == source.name else f"in {file}, too"
        message = f"This Example_id stands {where}; the first was taken."
        return _note(source, found.example_id, message, refused=True)

    def _flush(self, source: Source) -> None:
        """Store what waits, and say what there is to say, in the file's order."""
        items, self.waiting, self.characters = self.waiting, [], 0
        prepared = [item for item in items if isinstance(item, Prepared)]
        new = [item for item in prepared if item.record.example_id not in self.known]
        added, errors = self._add(new, source)
        old = [
            item.record.example_id
            for item in prepared
            if item.record.example_id not in added and item.record.example_id not in errors
        ]
        self._find(old)
        last = last_imports([self.known[example_id] for example_id in old])
        for item in items:
            if isinstance(item, Note):
                self._say(item)
            elif isinstance(item, Output):
                self._take_output(source, item)
            elif item.record.example_id in errors:
                self._refuse(source, item.record.example_id, errors[item.record.example_id])
            elif item.record.example_id in added:
                self._tell_new(source, item)
            else:
                pk = self.known[item.record.example_id]
                self._compare(source, item, pk, last.get(pk, {}).get("fingerprint", ""))

    def _add(self, new: list[Prepared], source: Source) -> tuple[set[str], dict[str, str]]:
        """Store new records: which were, and why the others were not."""
        if not new or self.report.dry_run:
            return {item.record.example_id for item in new}, {}
        self._make_dataset()
        try:
            stored = self.store.add(new, source.name)
        except (DataError, IntegrityError) as error:
            if len(new) == 1:
                message = f"The database refused it: {_first_line(error)}"
                return set(), {new[0].record.example_id: message}
            # One of them spoils the others: each on its own.
            added: set[str] = set()
            errors: dict[str, str] = {}
            for item in new:
                more, wrong = self._add([item], source)
                added |= more
                errors |= wrong
            return added, errors
        self.known |= stored
        return set(stored), {}

    def _find(self, example_ids: list[str]) -> None:
        """Learn of examples that another import stored meanwhile."""
        unknown = [example_id for example_id in example_ids if example_id not in self.known]
        if unknown:
            there = self.dataset.examples.filter(example_id__in=unknown)
            self.known |= dict(there.values_list("example_id", "pk"))

    def _compare(self, source: Source, item: Prepared, pk: int, fingerprint: str) -> None:
        """A record whose Example_id is taken: the same as before, changed, or refused."""
        found = item.record
        if fingerprint == item.fingerprint:
            self.report.same += 1
        else:
            example = Example.objects.prefetch_related(*RECORD_PARTS).get(pk=pk)
            words = [WORDS[name] for name in changed_fields(example, found)]
            words += ["its draft"] if draft_changed(example, found) else []
            if not words:
                self.report.same += 1
            elif not self.update:
                self._refuse(source, found.example_id, _other_content(self.dataset))
                return
            else:
                self._change(source, item, example, words)
        if found.attachments and not self.report.dry_run:
            self._attach(source, found, pk)

    def _change(self, source: Source, item: Prepared, example: Example, words: list[str]) -> None:
        if not self.report.dry_run:
            try:
                words = self.store.change(example, item, source.name)
            except (DataError, IntegrityError) as error:
                message = f"The database refused it: {_first_line(error)}"
                self._refuse(source, item.record.example_id, message)
                return
        self.report.changed += 1
        would = "Would change" if self.report.dry_run else "Changed"
        message = f"{would}: {', '.join(words)}. What was is kept in the history."
        self._say(_note(source, item.record.example_id, message))
        self._tell(source, item)

    def _take_output(self, source: Source, found: Output) -> None:
        """A model's answer becomes a draft, unless the example has that answer already."""
        pk = self.known.get(found.example_id)
        if pk is None and found.example_id not in self.seen:
            message = f"Dataset {self.dataset.slug} has no such example: import its program first."
            self._refuse(source, found.example_id, message)
            return
        key = hashlib.sha256(repr(found).encode(errors="surrogatepass")).digest()[:16]
        there = Draft.objects.filter(example=pk, model=found.model, raw_answer=found.answer)
        if key in self.answers or (pk is not None and there.exists()):
            self.report.same += 1
            return
        self.answers.add(key)
        self.report.drafts += 1
        if pk is not None and not self.report.dry_run:
            example = Example.objects.select_related("dataset").get(pk=pk)
            role = _role_of(found.model)
            add_draft(example, raw_answer=found.answer, role=role, model=found.model, by=self.by)

    def _make_dataset(self) -> None:
        if self.dataset.pk is not None:
            return
        slug, title = self.dataset.slug, self.dataset.title
        try:
            self.dataset = create_dataset(slug=slug, title=title, by=self.by)
        except IntegrityError:  # another import made it meanwhile
            self.dataset = Dataset.objects.get(slug=slug)
        self.store.dataset = self.dataset

    def _attach(self, source: Source, found: Record, pk: int) -> None:
        """Store the data files that the record names and the example lacks."""
        has = dict(Attachment.objects.filter(example=pk).values_list("name", "sha256"))
        for name in found.attachments:
            try:
                content = _attachment(source, found, name)
            except Unreadable as error:
                self._tell_attachment(source, found, f"{name} was left out: {error}")
                continue
            if content is None and name not in has:
                message = f"{name} did not come along. Put it beside the file and import again."
                self._tell_attachment(source, found, message)
            elif content is not None and name not in has:
                self._store_attachment(Example.objects.get(pk=pk), name, content)
            elif content is not None and sha256(content) != has[name]:
                message = f"{name} is not the one that is kept, which was left as it is."
                self._tell_attachment(source, found, message)

    @transaction.atomic
    def _store_attachment(self, example: Example, name: str, content: bytes) -> None:
        attachment = Attachment.objects.create(example=example, name=name, content=content)
        record(
            "attachment.added",
            attachment,
            dataset=self.dataset,
            by=self.by,
            sha256=attachment.sha256,
        )
        self.report.attachments += 1

    def _tell_new(self, source: Source, item: Prepared) -> None:
        self.report.new += 1
        if item.record.attachments and not self.report.dry_run:
            self._attach(source, item.record, self.known[item.record.example_id])
        self._tell(source, item)

    def _tell(self, source: Source, item: Prepared) -> None:
        """Count the steps, and say what did not anchor, replay or resolve."""
        example_id, planned = item.record.example_id, item.plan
        if item.not_runnable:
            message = f"Kept as not runnable. {item.not_runnable}"
            self._say(_note(source, example_id, message, "Input_Code"))
        for order, placed in enumerate(planned.steps if planned else (), start=1):
            self.report.steps[Located(placed.located)] += 1
            self.report.replayed += placed.after is not None
            if placed.after is None:
                message = f"{placed.note}: kept, not replayed."
                self._say(_note(source, example_id, message, f"step {order}, Error_Code"))
            self._tell_categories(source, example_id, order, placed)
        if planned and planned.changed:
            self.report.lines_changed += planned.changed
            self.report.lines_explained += planned.explained
            if planned.explained < planned.changed:
                message = (
                    f"The steps explain {planned.explained} of the {planned.changed} lines in "
                    "which the fixed output differs from the draft."
                )
                self._say(_note(source, example_id, message, "LLM_fix_output"))

    def _tell_categories(
        self, source: Source, example_id: str, order: int, placed: PlannedStep
    ) -> None:
        category, subcategory = self.store.taxonomy.find(placed)
        text = placed.step
        if text.category.strip() and category is None:
            message = f"“{text.category[:60]}” is not a known category: the step has none."
            self._say(_note(source, example_id, message, f"step {order}, Category"))
        elif text.subcategory.strip() and subcategory is None:
            owner = f"of “{category}”" if category else "without a category"
            message = f"“{text.subcategory[:60]}” is no known subcategory {owner}: left empty."
            self._say(_note(source, example_id, message, f"step {order}, Subcategory"))

    def _tell_attachment(self, source: Source, found: Record, message: str) -> None:
        self._say(_note(source, found.example_id, message, "Attachments"))

    def _refuse(self, source: Source, example_id: str, message: str) -> None:
        self._say(_note(source, example_id, message, refused=True))

    def _refuse_file(self, source: Source, message: str) -> None:
        """A file that nobody named, and whose name promises nothing, is left alone instead."""
        if source.asked or source.name.lower().endswith(EXTENSIONS):
            self.report.files_refused += 1
            self.report.say(Note(source.name, message, refused=True))
        else:
            self.report.files -= 1
            self.report.files_ignored += 1

    def _say(self, note: Note) -> None:
        self.report.refused += note.refused
        self.report.say(note)


def _prepared(source: Source, found: Record, fingerprint: str) -> Prepared | Note:
    try:
        return Prepared.of(found, fingerprint)
    except (RecursionError, MemoryError):
        message = "It is nested too deeply to be looked at."
        return _note(source, found.example_id, message, refused=True)


def _other_content(dataset: Dataset) -> str:
    return (
        f"Dataset {dataset.slug} holds this Example_id with other content, which was left as it "
        "is. Give the record another Example_id, or import it into another dataset."
    )


def _role_of(model: str) -> Role:
    known = LanguageModel.objects.filter(name=model).values_list("role", flat=True).first()
    return Role.COSTLY if known == ModelRole.COSTLY else Role.CHEAP


def _attachment(source: Source, found: Record, name: str) -> bytes | None:
    if name in found.files:
        return found.files[name].encode()
    return source.attachment(found.example_id, name)


def _note(
    source: Source, example_id: str, message: str, field_: str = "", *, refused: bool = False
) -> Note:
    shown = example_id if example_id.isprintable() else repr(example_id)
    return Note(source.name, message, record=f"“{shown}”", field=field_, refused=refused)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:300]
