"""What programs use: people's tokens, webhooks, and what was sent to them."""

import uuid

from django.conf import settings
from django.db import models

from curation.enums import DeliveryState, WebhookEvent
from curation.models.base import one_of
from curation.models.dataset import Dataset


class ApiToken(models.Model):
    """A key with which a program acts as its person. Only its hash is kept."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens"
    )
    name = models.CharField(max_length=100, help_text="What it is for")
    start = models.CharField(max_length=12, help_text="Its first characters, to know it by")
    sha256 = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    used_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Empty: until revoked")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.name} ({self.start}…)"


class Webhook(models.Model):
    """An address that is told when something happens in a dataset.

    Its secret is made from the site's secret key and `nonce`: no dump of the database holds it.
    """

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="webhooks")
    url = models.CharField(max_length=500)
    events = models.JSONField(default=list, help_text="What is told: approved, released")
    enabled = models.BooleanField(default=True)
    nonce = models.UUIDField(default=uuid.uuid4, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.dataset} → {self.url}"


class Delivery(models.Model):
    """One event on its way to one webhook; its id stays the same over all attempts."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries")
    event = models.CharField(max_length=20, choices=WebhookEvent.choices)
    body = models.TextField(help_text="What is sent, byte for byte")
    state = models.CharField(
        max_length=10, choices=DeliveryState.choices, default=DeliveryState.WAITING
    )
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(help_text="Not sent (again) before")
    status = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="HTTP status of the last answer"
    )
    note = models.CharField(max_length=500, blank=True, help_text="Why the last attempt failed")
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "id"]
        verbose_name_plural = "deliveries"
        constraints = [
            one_of("event", WebhookEvent.values, "delivery_event_known"),
            one_of("state", DeliveryState.values, "delivery_state_known"),
        ]
        indexes = [models.Index(fields=["state", "due_at"])]

    def __str__(self) -> str:
        return f"{self.event} {self.id}"
