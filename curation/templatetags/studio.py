"""Small pieces that templates of every app share: icons, code, differences, words."""

from functools import cache, lru_cache

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from curation.difference import Line, folded, inline, lines_of, rows_of

register = template.Library()

# Past this many characters highlighting costs more than it gives.
MAX_HIGHLIGHT = 200_000


@register.simple_tag
@cache
def icon(name: str, extra: str = "") -> SafeString:
    return format_html(
        '<svg class="icon {}" aria-hidden="true"><use href="{}#{}"></use></svg>',
        extra,
        static("img/icons.svg"),
        name,
    )


@register.simple_tag
def python(code: str) -> SafeString:
    """Highlighted Python, readable without JavaScript."""
    if len(code) > MAX_HIGHLIGHT:
        return format_html("{}", code)
    return _highlighted(code)


# A page of one program is asked for again and again, and colouring it is most of its time.
@lru_cache(maxsize=128)
def _highlighted(code: str) -> SafeString:
    html: str = highlight(code, PythonLexer(stripnl=False), HtmlFormatter(nowrap=True))
    return mark_safe(html)  # noqa: S308 - escaped by Pygments


@register.simple_tag
def python_lines(code: str) -> list[SafeString]:
    """Highlighted Python, a line at a time: Pygments closes every span where a line ends."""
    html = python("\n".join(lines_of(code)))
    return [mark_safe(line) for line in html.removesuffix("\n").split("\n")]  # noqa: S308 - escaped by Pygments


@register.simple_tag
def difference(before: str, after: str) -> list[Line]:
    """The changed lines under each other, with the lines around them."""
    return inline(folded(rows_of(before, after)))


@register.filter
def changed_line(text: str, other: str) -> str:
    """The first line of `text` that `other` does not have: what a one-line summary shows."""
    known = {line.strip() for line in other.splitlines()}
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return next((line for line in lines if line not in known), lines[0] if lines else "")


@register.filter
def words(value: str) -> str:
    """`runtime_error` as a person reads it."""
    return str(value).replace("_", " ")


@register.filter
def percent(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"


@register.filter
def plain(value: object) -> str:
    """A value of a verdict: short numbers, `(2, 3)` for shapes, a dash for nothing."""
    if value is None or value == "":
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return "(" + ", ".join(str(item) for item in value) + ")"
    return str(value)


@register.simple_tag(takes_context=True)
def querystring_with(context: template.Context, name: str, value: str) -> str:
    """The present query with one parameter set (or, when empty, dropped) and the first page."""
    query = context["request"].GET.copy()
    query.pop("page", None)
    query.pop(name, None)
    if value:
        query[name] = value
    return f"?{query.urlencode()}"


@register.filter
def digits(value: object) -> str:
    """A compared value with the digits that two float32 need to be told apart."""
    return f"{value:.8g}" if isinstance(value, float) else plain(value)


@register.filter
def unlocalised(value: float) -> str:
    """A number as SVG takes it."""
    return f"{value:.4f}"
