"""Language models, the prompts that are sent to them, and every call with its answer."""

from django.conf import settings as conf
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q

from curation.enums import BatchState, CallState, ModelRole, PromptUse
from curation.models.base import one_of

_AT_LEAST_ONE = [MinValueValidator(1)]


class LanguageModel(models.Model):
    """A model behind an OpenAI-compatible address, its key, its prices and its limits."""

    name = models.CharField(
        max_length=100,
        unique=True,
        validators=[RegexValidator(r"^[\w.:@/+-]+$", "Use letters, digits and . : @ / + - _.")],
        help_text="What pages and commands call it",
    )
    role = models.CharField(max_length=10, choices=ModelRole.choices, default=ModelRole.CHEAP)
    base_url = models.CharField(
        max_length=300, help_text="For example https://host/v1; recorded:NAME answers from a file"
    )
    model_id = models.CharField(max_length=200, help_text="What the provider calls it")
    key_env = models.CharField(
        max_length=100, blank=True, help_text="Environment variable that holds the key"
    )
    sealed_key = models.TextField(blank=True, editable=False, help_text="The key, encrypted")
    input_price = models.DecimalField(
        null=True,
        blank=True,
        help_text="Per million prompt tokens; empty: unknown",
        max_digits=14,
        decimal_places=8,
    )
    output_price = models.DecimalField(
        null=True,
        blank=True,
        help_text="Per million answer tokens; empty: unknown",
        max_digits=14,
        decimal_places=8,
    )
    requests_per_minute = models.PositiveIntegerField(
        null=True, blank=True, validators=_AT_LEAST_ONE
    )
    tokens_per_minute = models.PositiveIntegerField(null=True, blank=True, validators=_AT_LEAST_ONE)
    concurrency = models.PositiveSmallIntegerField(
        default=4, validators=_AT_LEAST_ONE, help_text="Calls at a time"
    )
    context_window = models.PositiveIntegerField(
        default=128_000, validators=_AT_LEAST_ONE, help_text="Tokens of prompt and answer together"
    )
    max_output_tokens = models.PositiveIntegerField(default=8_192, validators=_AT_LEAST_ONE)
    timeout_seconds = models.PositiveIntegerField(
        default=180, validators=_AT_LEAST_ONE, help_text="How long one answer may take"
    )
    params = models.JSONField(
        default=dict, blank=True, help_text="Sent with every call, for example temperature"
    )
    enabled = models.BooleanField(default=True)
    paused_until = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="The provider asked us to wait until then"
    )

    class Meta:
        ordering = ["name"]
        constraints = [one_of("role", ModelRole.values, "language_model_role_known")]

    def __str__(self) -> str:
        return self.name


class PromptTemplate(models.Model):
    """A prompt for one use; its text is its newest version's."""

    slug = models.SlugField(unique=True, max_length=64)
    title = models.CharField(max_length=200)
    use = models.CharField(max_length=20, choices=PromptUse.choices)

    class Meta:
        ordering = ["slug"]
        constraints = [one_of("use", PromptUse.values, "prompt_template_use_known")]

    def __str__(self) -> str:
        return self.slug


class PromptVersion(models.Model):
    """One wording of a prompt. Never changed: the database refuses it."""

    template = models.ForeignKey(PromptTemplate, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField(help_text="1 is the first")
    system = models.TextField(blank=True, help_text="The system message, if any")
    text = models.TextField(help_text="The user message, with {{placeholders}}")
    sha256 = models.CharField(max_length=64, help_text="Over both messages")
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        conf.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        help_text="Empty: shipped with the product",
    )

    class Meta:
        ordering = ["template", "number"]
        constraints = [
            models.UniqueConstraint(fields=["template", "number"], name="prompt_version_unique"),
            models.CheckConstraint(condition=Q(number__gte=1), name="prompt_version_from_one"),
        ]

    def __str__(self) -> str:
        return f"{self.template} v{self.number}"


class CallBatch(models.Model):
    """Calls that are paid from one purse and stopped together."""

    title = models.CharField(max_length=200)
    spend_limit = models.DecimalField(
        null=True,
        blank=True,
        help_text="In the currency of the price table",
        max_digits=14,
        decimal_places=8,
    )
    state = models.CharField(
        max_length=10, choices=BatchState.choices, default=BatchState.READY, db_index=True
    )
    reason = models.TextField(blank=True, help_text="Why it stopped, and what to do")
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        conf.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "call batches"
        constraints = [one_of("state", BatchState.values, "call_batch_state_known")]

    def __str__(self) -> str:
        return self.title


class Call(models.Model):
    """One question to a model and its answer. Identical questions share the answer.

    `content_hash` covers model, messages and parameters. `sample` tells repeats of one question
    apart; a question that was asked anew has a higher `edition`.
    """

    model = models.ForeignKey(LanguageModel, on_delete=models.PROTECT, related_name="calls")
    batch = models.ForeignKey(
        CallBatch,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="calls",
        help_text="Whose purse pays",
    )
    subject = models.CharField(max_length=300, blank=True, help_text="What is asked about")
    prompt = models.ForeignKey(
        PromptVersion, null=True, blank=True, on_delete=models.PROTECT, related_name="calls"
    )
    content_hash = models.CharField(max_length=64)
    prompt_hash = models.CharField(max_length=64, help_text="SHA-256 over the messages")
    sample = models.PositiveIntegerField(default=0)
    edition = models.PositiveIntegerField(default=0)
    messages = models.JSONField()
    params = models.JSONField(default=dict)
    state = models.CharField(
        max_length=10, choices=CallState.choices, default=CallState.WAITING, db_index=True
    )
    claim = models.UUIDField(null=True, blank=True, help_text="Which attempt may store the answer")
    worker = models.CharField(max_length=200, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0, help_text="Requests that were sent")
    asked_at = models.DateTimeField(null=True, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)
    reserved_tokens = models.PositiveIntegerField(default=0)
    reserved_cost = models.DecimalField(default=0, max_digits=14, decimal_places=8)
    raw = models.JSONField(null=True, blank=True, help_text="The answer as the provider sent it")
    text = models.TextField(blank=True, help_text="The message in it")
    finish_reason = models.CharField(max_length=50, blank=True)
    model_version = models.CharField(max_length=200, blank=True, help_text="As the answer names it")
    prompt_tokens = models.PositiveIntegerField(null=True, blank=True)
    completion_tokens = models.PositiveIntegerField(null=True, blank=True)
    cost = models.DecimalField(
        null=True, blank=True, help_text="Empty: prices unknown", max_digits=14, decimal_places=8
    )
    seconds = models.FloatField(default=0)
    error = models.TextField(blank=True, help_text="Why there is no answer, and what to do")
    pasted_by = models.ForeignKey(
        conf.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        help_text="Who asked by hand and pasted the answer",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["content_hash", "sample", "edition"], name="call_unique"
            ),
            models.CheckConstraint(
                condition=~Q(state=CallState.ASKING)
                | Q(claim__isnull=False, asked_at__isnull=False),
                name="call_asking_is_claimed",
            ),
            models.CheckConstraint(
                condition=~Q(state=CallState.ANSWERED)
                | Q(raw__isnull=False, answered_at__isnull=False),
                name="call_answered_has_answer",
            ),
            one_of("state", CallState.values, "call_state_known"),
        ]
        indexes = [models.Index(fields=["model", "asked_at"])]

    def __str__(self) -> str:
        return f"call {self.pk}: {self.subject or self.model}"
