"""Python source without what does not run."""

import io
import tokenize

_STARTS_A_STATEMENT = (tokenize.INDENT, tokenize.NEWLINE)


def without_comments(source: str) -> str:
    """`source` without comments, docstrings and empty lines.

    A text that Python's tokenizer refuses comes back as it is.
    """
    try:
        kept = _kept(source)
    except (tokenize.TokenError, SyntaxError):
        return source
    return "\n".join(line for line in kept.split("\n") if line.strip())


def _kept(source: str) -> str:
    parts: list[str] = []
    before, row, column = tokenize.INDENT, -1, 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        start_row, start_column = token.start
        if start_row > row:
            column = 0
        parts.append(" " * (start_column - column))
        if not _is_silent(token.type, before, start_column):
            parts.append(token.string)
        before = token.type
        row, column = token.end
    return "".join(parts)


def _is_silent(kind: int, before: int, column: int) -> bool:
    """Whether a token is a comment or a string that stands alone as a statement."""
    if kind == tokenize.COMMENT:
        return True
    return kind == tokenize.STRING and (before in _STARTS_A_STATEMENT or column == 0)
