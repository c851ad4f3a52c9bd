"""What people choose about exports and releases."""

from django import forms

from scoring.exporters import BY_PROBLEM, FORMATS, Only, Options

ONLY = (
    ("", "As usual for the format"),
    (Only.VERIFIED.value, "Verified: steps replay, and the newest revision passes"),
    (Only.APPROVED.value, "Approved: verified, and a second person agreed"),
    (Only.ALL.value, "All, verified or not: the files say so"),
)


class ExportForm(forms.Form):
    """One export; what a format cannot do is refused by the service, with the reason."""

    format = forms.ChoiceField(
        choices=[(name, f"{each.title} ({name})") for name, each in FORMATS.items()]
    )
    only = forms.ChoiceField(choices=ONLY, required=False, label="Drafts")
    split = forms.ChoiceField(
        choices=[("", "None"), (BY_PROBLEM, "By problem: train, validation, test")],
        required=False,
        label="Split",
        help_text="Near-duplicates stay on one side.",
    )
    leave_one_out = forms.BooleanField(
        required=False, label="Leave one out: a file for each example, with all the others"
    )

    def options(self) -> Options:
        return Options.of(self.cleaned_data)


class ReleaseForm(forms.Form):
    version = forms.CharField(
        max_length=64, help_text="Three numbers, such as 1.0.0 (semantic versioning)."
    )
    changelog = forms.CharField(
        required=False,
        label="What is new",
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 4}),
    )
