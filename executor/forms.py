"""The contract of an example, as a person edits it."""

import json
from typing import Any

from django import forms

from curation.forms import CODE
from curation.models import Example
from executor.parity.contract import Contract, ContractError, recognise_shape

LINES = ("observe_reference", "observe_candidate")
# Fields of the contract that have a field of their own in the form.
OWN = (*LINES, "names", "ignore", "data_provider")
PROVIDERS = (
    ("none", "None: programs read attached files only"),
    ("stand_in", "Small made-up data of the same shapes, on both sides"),
)


class ContractForm(forms.Form):
    """A contract: what a person changes often in fields, the rest of its settings as JSON."""

    settings = forms.CharField(
        label="Everything else",
        strip=False,
        help_text="JSON. docs/parity.md says what each field means.",
        widget=forms.Textarea(attrs=CODE | {"rows": 26}),
    )
    data_provider = forms.ChoiceField(
        label="Data that programs download",
        choices=PROVIDERS,
        required=False,
        help_text="MNIST, CIFAR-10 and the like, from torchvision, torchtext, datasets or tfds.",
    )
    names = forms.CharField(
        label="Names that differ",
        required=False,
        help_text="One a line: name in the reference = name in the candidate.",
        widget=forms.Textarea(attrs=CODE | {"rows": 3}),
    )
    ignore = forms.CharField(
        label="Probes that are dropped",
        required=False,
        help_text="One a line, as the verdict names them; * stands for anything.",
        widget=forms.Textarea(attrs=CODE | {"rows": 3}),
    )
    observe_reference = forms.CharField(
        label="Lines after the reference",
        required=False,
        strip=False,
        help_text="Python that sees the snippet's names and calls observe(name, value).",
        widget=forms.Textarea(attrs=CODE | {"rows": 6}),
    )
    observe_candidate = forms.CharField(
        label="Lines after the candidate",
        required=False,
        strip=False,
        help_text="The same names must be observed here; values are compared by name.",
        widget=forms.Textarea(attrs=CODE | {"rows": 6}),
    )

    def clean(self) -> dict[str, Any]:
        data = dict(super().clean() or self.cleaned_data)
        if "settings" in data:
            data["contract"] = self._contract(data)
        return data

    def _contract(self, data: dict[str, Any]) -> Contract | None:
        try:
            settings = json.loads(data["settings"])
            if not isinstance(settings, dict):
                raise ContractError("The settings are a JSON object.")
            own: dict[str, Any] = {name: data[name].replace("\r\n", "\n") for name in LINES}
            own["names"] = read_names(data["names"])
            own["ignore"] = data["ignore"].split("\n") if data["ignore"] else []
            own["ignore"] = [each.strip() for each in own["ignore"] if each.strip()]
            own["data_provider"] = data.get("data_provider") or "none"
            return Contract.from_json(settings | own)
        except (json.JSONDecodeError, RecursionError) as error:
            self.add_error("settings", f"This is not JSON: {error}")
        except ContractError as error:
            self.add_error(None, str(error))
        return None


def read_names(text: str) -> dict[str, str]:
    """The pairs of `reference = candidate` lines. Raises ContractError for another line."""
    names = {}
    for line in text.splitlines():
        ours, _, theirs = (part.strip() for part in line.partition("="))
        if line.strip() and not (ours and theirs):
            raise ContractError(
                f"names: {line.strip()!r} is not of the form reference = candidate."
            )
        if line.strip():
            names[ours] = theirs
    return names


def contract_as_filled(example: Example) -> dict[str, str]:
    """What the form shows first: the stored contract, else the recognised one.

    Raises:
        ContractError: the reference is not Python that can be read.
    """
    if example.contract is None:
        data = Contract(kind=recognise_shape(example.pytorch_code, "")).to_json()
    else:
        data = Contract.from_json(example.contract).to_json()
    own = {name: data.pop(name) for name in OWN}
    own["names"] = "\n".join(f"{ours} = {theirs}" for ours, theirs in own["names"].items())
    own["ignore"] = "\n".join(own["ignore"])
    return {"settings": json.dumps(data, indent=2)} | own
