"""What people fill in. Forms check the shape of input; services check the rules."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django import forms
from django.contrib.auth.models import User

from curation import ledger
from curation.enums import Difficulty, MemberRole, PromptKind, Role, StepKind
from curation.models import Category, Dataset, Draft, Example, FixStep, Subcategory
from curation.services.ledger import Outcome, anchor, edit_code
from curation.services.steps import StepText

CODE = {"class": "code", "spellcheck": "false", "autocapitalize": "off", "autocomplete": "off"}


class DatasetForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Dataset
        fields = ("title", "slug", "description", "source", "licence", "everyone")
        labels = {"slug": "Short name", "everyone": "Everyone who signs in is"}
        help_texts = {
            "slug": "Letters, digits, - and _; used in addresses, commands and file names.",
            "licence": "For example CC0-1.0; examples without one of their own take it.",
        }
        widgets = {
            "description": forms.Textarea(attrs={"rows": 3}),
            "source": forms.TextInput(),
        }


class ExampleForm(forms.Form):
    """A PyTorch program added by hand."""

    example_id = forms.CharField(
        label="Example_id", max_length=200, help_text="As in the T2J files: e1, m3, h7 ..."
    )
    title = forms.CharField(max_length=300, required=False)
    difficulty = forms.ChoiceField(choices=Difficulty.choices, initial=Difficulty.UNKNOWN)
    pytorch_code = forms.CharField(
        label="PyTorch program",
        strip=False,
        widget=forms.Textarea(attrs=CODE | {"rows": 18}),
    )

    def __init__(self, *args: Any, dataset: Dataset, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.dataset = dataset

    def clean_example_id(self) -> str:
        example_id = str(self.cleaned_data["example_id"])
        if Example.objects.filter(dataset=self.dataset, example_id=example_id).exists():
            raise forms.ValidationError(
                f"“{example_id}” is in this dataset already. Choose another Example_id."
            )
        return example_id


class DraftForm(forms.Form):
    """A model's answer, pasted; then, once extracted, the code a person confirms."""

    raw_answer = forms.CharField(
        label="The model's whole answer",
        strip=False,
        help_text="Prose and code fences may stay in: the code is taken out and shown to you.",
        widget=forms.Textarea(attrs=CODE | {"rows": 16}),
    )
    role = forms.ChoiceField(choices=Role.choices, initial=Role.CHEAP, label="Kind of model")
    model = forms.CharField(max_length=200, required=False, label="Model")
    prompt_kind = forms.ChoiceField(
        choices=PromptKind.choices, initial=PromptKind.STANDARD, label="Prompt"
    )


class ConfirmedDraftForm(DraftForm):
    raw_answer = forms.CharField(strip=False, widget=forms.HiddenInput())
    code = forms.CharField(
        label="The code in it",
        strip=False,
        help_text="This becomes revision 0. Change it only where the extraction went wrong.",
        widget=forms.Textarea(attrs=CODE | {"rows": 18}),
    )


class StepForm(forms.Form):
    """What a person says about a fix step."""

    error = forms.CharField(
        label="Error", required=False, strip=False, widget=forms.Textarea(attrs={"rows": 2})
    )
    fix_info = forms.CharField(
        label="Fix_info",
        widget=forms.Textarea(
            attrs={"rows": 3, "placeholder": "Why it broke, and why this mends it"}
        ),
    )
    category = forms.ModelChoiceField(
        Category.objects.all(),
        empty_label="Choose a category",
        widget=forms.Select(attrs={"data-category-select": ""}),
    )
    subcategory = forms.ModelChoiceField(Subcategory.objects.all(), required=False)
    kind = forms.ChoiceField(
        choices=StepKind.choices, initial=StepKind.BEHAVIOUR, label="What it mends"
    )
    traceback = forms.CharField(required=False, strip=False, widget=forms.HiddenInput())
    seconds = forms.IntegerField(
        label="Active seconds",
        required=False,
        min_value=0,
        max_value=86_400,
        help_text="Only you see it by name. Correct it if the clock was wrong.",
        widget=forms.NumberInput(attrs={"class": "narrow-input"}),
    )

    def text(self) -> StepText:
        """The checked fields, as the services take them."""
        data = self.cleaned_data
        return StepText(
            error=data["error"],
            traceback=data["traceback"],
            fix_info=data["fix_info"],
            category=data["category"],
            subcategory=data["subcategory"],
            kind=StepKind(data["kind"]),
            seconds=data["seconds"] or 0,
        )

    @classmethod
    def of(cls, step: FixStep) -> "StepForm":
        """The form filled with a saved step."""
        fields = ("error", "fix_info", "category", "subcategory", "kind", "traceback", "seconds")
        return cls(initial={field: getattr(step, field) for field in fields})


class NewStepForm(StepForm):
    """A step about to be saved, and how many lines its Error_Code takes in."""

    first_line = forms.IntegerField(min_value=1, required=False, label="Error_Code from line")
    last_line = forms.IntegerField(
        min_value=1,
        required=False,
        label="to line",
        help_text="The changed lines are always in it.",
    )

    def lines(self) -> tuple[int, int] | None:
        """The chosen lines of the revision before the step, if both are given."""
        first, last = self.cleaned_data["first_line"], self.cleaned_data["last_line"]
        return None if first is None or last is None else (min(first, last), max(first, last))


class StepCodeForm(forms.Form):
    """The code of a step: its two texts, or the lines of the code before it where it belongs."""

    error_code = forms.CharField(
        label="Error_Code",
        required=False,
        strip=False,
        help_text="Replayed where it stands exactly once in the code before the step.",
        widget=forms.Textarea(attrs=CODE | {"rows": 6}),
    )
    fixed_code = forms.CharField(
        label="Fixed_Code",
        required=False,
        strip=False,
        widget=forms.Textarea(attrs=CODE | {"rows": 6}),
    )
    first_line = forms.IntegerField(
        min_value=1,
        required=False,
        label="Put it in place of line",
        help_text="Then Error_Code becomes these lines.",
    )
    last_line = forms.IntegerField(min_value=1, required=False, label="to line")

    def __init__(self, data: Any = None, *, step: FixStep, before: str) -> None:
        self.step, self.before = step, before
        # The text that would be replaced at the proposed place.
        self.place = ""
        super().__init__(data, initial=self._proposed())

    def lines_of_places(self) -> list[int]:
        """The first lines of the places between which an ambiguous step does not choose."""
        found = ledger.places(self.step.error_code, self.before) if not self.step.after_id else []
        lines = [self.before.count("\n", 0, start) + 1 for start, _ in found]
        return lines if len(lines) > 1 else []

    def _proposed(self) -> dict[str, Any]:
        """The texts as they are; for a step that does not apply, the place that is most alike."""
        step = self.step
        values = {"error_code": step.error_code, "fixed_code": step.fixed_code}
        found = ledger.locate(step.error_code, self.before)
        if step.after_id is not None or found.start is None or found.end is None:
            return values
        start = self.before.rfind("\n", 0, found.start) + 1
        end = self.before.find("\n", max(found.start, found.end - 1))
        self.place = self.before[start : end if end >= 0 else None]
        first = self.before.count("\n", 0, start) + 1
        return values | {
            "fixed_code": ledger.reindented(step.fixed_code, self.place),
            "first_line": first,
            "last_line": first + self.place.count("\n"),
        }

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        first, last = data.get("first_line"), data.get("last_line")
        lines = len(self.before.splitlines())
        if (first is None) != (last is None):
            self.add_error("last_line", "Give the first and the last line, or neither.")
        elif first is not None and last is not None and not first <= last <= lines:
            self.add_error("last_line", f"The code before this step has lines 1 to {lines}.")
        return data

    def change(self) -> Callable[..., Outcome]:
        """The change of the ledger that was filled in."""
        data = self.cleaned_data
        fixed_code = data["fixed_code"].replace("\r\n", "\n")
        if data["first_line"] is None:
            error_code = data["error_code"]
            return partial(edit_code, self.step, error_code=error_code, fixed_code=fixed_code)
        lines = self.before.splitlines(keepends=True)
        start = sum(map(len, lines[: data["first_line"] - 1]))
        quoted = "".join(lines[data["first_line"] - 1 : data["last_line"]])
        end = start + len(quoted.removesuffix("\n"))
        return partial(anchor, self.step, start=start, end=end, fixed_code=fixed_code)


class CommentForm(forms.Form):
    """What someone says about a draft, a step or a line."""

    text = forms.CharField(widget=forms.Textarea(attrs={"rows": 3}), label="Comment")
    step = forms.ModelChoiceField(FixStep.objects.none(), required=False)
    revision = forms.IntegerField(min_value=0, required=False)
    line = forms.IntegerField(min_value=1, required=False)

    def __init__(self, *args: Any, draft: Draft, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        steps = self.fields["step"]
        assert isinstance(steps, forms.ModelChoiceField)
        steps.queryset = draft.steps.all()


class MemberForm(forms.Form):
    """A person and their role; no role takes them out."""

    username = forms.CharField(max_length=150, label="User name")
    role = forms.ChoiceField(choices=[*MemberRole.choices, ("", "No member")], required=False)

    def clean_username(self) -> User:
        name = str(self.cleaned_data["username"]).strip()
        user = User.objects.filter(username=name, is_active=True).first()
        if user is None:
            raise forms.ValidationError(f"There is no account “{name}”.")
        return user


class EveryoneForm(forms.Form):
    everyone = forms.ChoiceField(
        choices=[("", "No member"), *MemberRole.choices],
        required=False,
        label="Everyone who signs in is",
    )
    repairs_wanted = forms.IntegerField(
        min_value=1,
        max_value=5,
        label="Independent repairs per draft",
        help_text="From two on, each is made blind and a reviewer decides between them.",
    )
