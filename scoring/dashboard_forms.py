"""What a lead fills in beside the dashboards."""

from django import forms

from scoring.models import Plan


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
