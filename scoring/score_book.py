"""What is stored of an experiment's scores, how each was made, and the way to store more."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from executor.parity.engine import VERSION as ENGINE
from scoring.metrics.base import Metric, Value, digest
from scoring.models import Experiment, Score, Setting, Signature, Translation

CHUNK = 500
Key: TypeAlias = tuple[int, int | None, str, str, int]


@dataclass(slots=True)
class Report:
    """What came of scoring: numbers stored, found to be current, and questions left open."""

    stored: int = 0
    current: int = 0
    unasked: Counter[str] = field(default_factory=Counter)
    stopped: str = ""


class Book:
    """The scores of one experiment: what is stored and how it was made."""

    def __init__(self, experiment: Experiment) -> None:
        settings = Setting.objects.filter(experiment=experiment).select_related("model", "prompt")
        self.settings = {setting.pk: setting for setting in settings}
        translations = Translation.objects.filter(setting__experiment=experiment)
        self.setting_of = dict(translations.values_list("pk", "setting_id"))
        rows = Score.objects.filter(setting__experiment=experiment).values_list(
            "translation_id", "other_id", "measure", "judge", "repeat", "inputs", "signature_id"
        )
        self.known: dict[Key, tuple[str, str]] = {row[:5]: row[5:] for row in rows}
        self.signatures: dict[tuple[int, str, str], str] = {}

    def has(
        self, key: Key, metric: Metric, inputs: str, judge: dict[str, Any] | None = None
    ) -> bool:
        """Whether this score is stored, of these inputs and made in today's way."""
        return self.known.get(key) == (inputs, self.signature(metric, key[0], judge))

    def signature(
        self, metric: Metric, translation: int, judge: dict[str, Any] | None = None
    ) -> str:
        """SHA-256 of how a score of this translation is made; stored when it is new."""
        setting = self.settings[self.setting_of[translation]]
        key = (setting.pk, metric.name, digest(judge))
        if key not in self.signatures:
            content = _signed(metric, setting, judge)
            sha = digest(content)
            Signature.objects.get_or_create(sha256=sha, defaults={"content": content})
            self.signatures[key] = sha
        return self.signatures[key]

    def row(
        self,
        metric: Metric,
        value: Value,
        inputs: str,
        *,
        judge: dict[str, Any] | None = None,
        call_id: int | None = None,
    ) -> Score:
        """The row of a value, not stored yet."""
        return Score(
            setting_id=self.setting_of[value.case],
            translation_id=value.case,
            other_id=value.other,
            metric=metric.name,
            measure=value.measure,
            judge=judge["name"] if judge else "",
            repeat=value.repeat,
            value=value.value,
            why=value.why[:300],
            detail=dict(value.detail),
            inputs=inputs,
            signature_id=self.signature(metric, value.case, judge),
            call_id=call_id,
        )

    def store(self, rows: Iterable[Score]) -> None:
        """Store rows, each in the place of an older one of the same measure."""
        key = ["translation", "other", "measure", "judge", "repeat"]
        Score.objects.bulk_create(
            list(rows),
            batch_size=CHUNK,
            update_conflicts=True,
            unique_fields=key,
            update_fields=[
                *("setting", "metric", "value", "why", "detail", "inputs", "signature", "call"),
                "created_at",
            ],
        )


def _signed(metric: Metric, setting: Setting, judge: dict[str, Any] | None) -> dict[str, Any]:
    """Everything a score depends on besides the translation itself."""
    return {
        "metric": metric.name,
        "version": metric.version,
        "settings": metric.settings(),
        "translated_by": {"model": setting.model.name, "model_id": setting.model.model_id},
        "prompt": setting.prompt.sha256,
        "runtime": setting.runtime,
        "engine": ENGINE if metric.from_verdicts else None,
        "judge": judge,
    }
