"""The level of isolation of a run, in words."""

from typing import Any

from django import template

from executor.sandbox import isolation

register = template.Library()


@register.inclusion_tag("executor/_isolation.html", name="isolation")
def show(level: str) -> dict[str, Any]:
    return {"level": level, "layers": isolation.layers(level)}
