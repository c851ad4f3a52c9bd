"""Files that are downloaded piece by piece, and resumed where a connection broke (RFC 9110)."""

import re
from collections.abc import Iterator
from pathlib import Path

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

PIECE = 1 << 18
_ONE_RANGE = re.compile(r"bytes=(?=-?\d)(\d{0,18})-(\d{0,18})", re.ASCII)


def send_file(request: HttpRequest, path: Path, *, tag: str, media_type: str) -> HttpResponseBase:
    """The file, or the range of it that is asked for. `tag` changes whenever its bytes do."""
    size, etag = path.stat().st_size, f'"{tag}"'
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": etag,
        "Content-Disposition": f'attachment; filename="{path.name}"',
    }
    if request.headers.get("If-None-Match") == etag:
        return HttpResponse(status=304, headers={"ETag": etag})
    asked = request.headers.get("Range", "")
    # A resumed download of other bytes begins anew.
    fresh = request.headers.get("If-Range", etag) == etag
    part = _range_of(asked, size) if asked and fresh else (0, size)
    if part is None:
        return HttpResponse(status=416, headers=headers | {"Content-Range": f"bytes */{size}"})
    start, end = part
    headers["Content-Length"] = str(end - start)
    whole = not asked or not fresh or not _ONE_RANGE.fullmatch(asked.strip())
    if not whole:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    return StreamingHttpResponse(
        _pieces(path, start, end),
        status=200 if whole else 206,
        content_type=media_type,
        headers=headers,
    )


def _range_of(asked: str, size: int) -> tuple[int, int] | None:
    """Start and end (excluded) of the range; the whole where it is in no form that we serve.

    None: it lies outside of the file.
    """
    match = _ONE_RANGE.fullmatch(asked.strip())
    if match is None:
        return 0, size
    if not match[1]:  # the last bytes
        start, end = max(size - int(match[2]), 0), size
    else:
        start, end = int(match[1]), min(int(match[2] or size) + 1, size)
    return (start, end) if start < end else None


def _pieces(path: Path, start: int, end: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        left = end - start
        while left > 0 and (piece := file.read(min(PIECE, left))):
            left -= len(piece)
            yield piece
