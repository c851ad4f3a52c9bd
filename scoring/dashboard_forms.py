"""What a lead fills in beside the dashboards."""

from typing import Any

from django import forms

from scoring.dashboards.published import Row, Source, Unreadable, read
from scoring.models import Plan
from scoring.tables.base import Table


class PlanForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Plan
        fields = ("approved_wanted", "due", "names_shown")
        labels = {
            "approved_wanted": "Drafts to approve",
            "due": "By when",
            "names_shown": "Name people in “Work by annotator” and on the page Agreement",
        }
        help_texts = {"names_shown": ""}
        widgets = {"due": forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")}


class PublishedForm(forms.Form):
    """Figures of others as CSV. Once it is valid, `rows` holds them and `said` whose they are."""

    name = forms.CharField(
        max_length=40, label="Whose they are", help_text="Heads their columns, such as “T2J paper”"
    )
    source = forms.CharField(
        max_length=300, label="Where they stand", help_text="Such as “arXiv 2510.09898, Table 6”"
    )
    figures = forms.CharField(
        max_length=50_000,
        label="Figures as CSV",
        widget=forms.Textarea(attrs={"class": "code", "rows": 14, "spellcheck": "false"}),
        help_text="The first line names the columns. What was not published stays empty.",
    )

    rows: list[Row]

    def __init__(self, *args: Any, table: Table, **more: Any) -> None:
        super().__init__(*args, **more)
        self.table = table

    def clean_figures(self) -> str:
        text = str(self.cleaned_data["figures"])
        try:
            self.rows = read(self.table, text)
        except Unreadable as error:
            raise forms.ValidationError(str(error)) from error
        return text

    @property
    def said(self) -> Source:
        return Source(self.cleaned_data["name"], self.cleaned_data["source"])
