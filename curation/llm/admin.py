"""Models, prompts and calls in Django's admin. A key goes in and never comes out."""

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from curation.llm.keys import seal
from curation.models import Call, CallBatch, LanguageModel, PromptTemplate, PromptVersion
from curation.services.language_models import check_address, check_params


class ModelForm(forms.ModelForm):  # type: ignore[type-arg]
    """A language model; what is typed as its key is stored encrypted."""

    new_key = forms.CharField(
        required=False,
        strip=True,
        label="Key",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="Stored encrypted and never shown again; empty keeps the present one.",
    )
    forget_key = forms.BooleanField(required=False, label="Forget the stored key")

    class Meta:
        model = LanguageModel
        fields = (
            *("name", "role", "base_url", "model_id", "key_env", "input_price", "output_price"),
            *("requests_per_minute", "tokens_per_minute", "concurrency", "context_window"),
            *("max_output_tokens", "timeout_seconds", "params", "enabled"),
        )

    def clean_base_url(self) -> str:
        return check_address(str(self.cleaned_data["base_url"]))

    def clean_params(self) -> dict[str, Any]:
        return check_params(self.cleaned_data["params"])

    def save(self, commit: bool = True) -> Any:
        if self.cleaned_data["new_key"]:
            self.instance.sealed_key = seal(self.cleaned_data["new_key"])
        elif self.cleaned_data["forget_key"]:
            self.instance.sealed_key = ""
        return super().save(commit)


class _ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]
    """What the services and the pipeline keep: seen, never edited."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(LanguageModel)
class LanguageModelAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    form = ModelForm
    list_display = ["name", "role", "model_id", "base_url", "has_key", "prices", "enabled"]
    list_filter = ["role", "enabled"]
    search_fields = ["name", "model_id"]

    @admin.display(boolean=True, description="key")
    def has_key(self, model: LanguageModel) -> bool:
        return bool(model.sealed_key or model.key_env)

    @admin.display(description="prices per million")
    def prices(self, model: LanguageModel) -> str:
        return f"{_price(model.input_price)} / {_price(model.output_price)}"


def _price(price: Decimal | None) -> str:
    return "unknown" if price is None else f"{price.normalize():f}"


@admin.register(PromptTemplate)
class PromptTemplateAdmin(_ReadOnly):
    list_display = ["slug", "title", "use"]


@admin.register(PromptVersion)
class PromptVersionAdmin(_ReadOnly):
    list_display = ["template", "number", "created_by", "created_at"]
    list_select_related = ["template", "created_by"]


@admin.register(CallBatch)
class CallBatchAdmin(_ReadOnly):
    list_display = ["title", "state", "spend_limit", "created_by", "created_at"]
    list_select_related = ["created_by"]


@admin.register(Call)
class CallAdmin(_ReadOnly):
    list_display = [
        *("id", "model", "subject", "state", "prompt_tokens", "completion_tokens", "cost"),
        *("seconds", "model_version", "created_at"),
    ]
    list_filter = ["state", "model"]
    list_select_related = ["model"]
    search_fields = ["subject"]

    def get_queryset(self, request: HttpRequest) -> Any:
        # A prompt with context is a hundred kilobytes; a list shows none of it.
        found = super().get_queryset(request)
        return (
            found.defer("messages", "raw", "text") if "object_id" not in _kwargs(request) else found
        )


def _kwargs(request: HttpRequest) -> dict[str, Any]:
    match = request.resolver_match
    return match.kwargs if match else {}
