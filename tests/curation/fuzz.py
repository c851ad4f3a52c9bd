"""Import files that were spoilt in every way that people, programs and enemies spoil files.

`python -m tests.curation.fuzz SEED COUNT MEGABYTES` reads so many under a limit of memory, without
a database, and prints what came of them.
"""

import io
import json
import os
import random
import resource
import sys
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.curation import dirty

NOTEBOOK = {
    "cells": [
        {"cell_type": "markdown", "source": ["# Task\n", "Fit a line."]},
        {"cell_type": "code", "source": "%matplotlib inline\nimport torch\n", "outputs": []},
        {"cell_type": "code", "source": ["x = torch.ones(2)\n", "print(open('d.csv'), x)"]},
    ],
    "metadata": {},
    "nbformat": 4,
    "nbformat_minor": 5,
}
PROGRAM = "import torch\n\nx = torch.ones(3)\nprint(x.sum())\n"
PAIRS = [
    {"kb_id": f"kb_{n}", "level": n, "pytorch_code": PROGRAM, "jax_code": dirty.DRAFT}
    for n in range(4)
]
ANSWER = f"```python\n{dirty.DRAFT}```"
OUTPUTS = [{"id": f"kb_{n}", "model": "m", "jax_code": ANSWER} for n in (1, 2)]
ROWS = [
    {"content": f"{PROGRAM}# {n}\n", "repo_name": "a/b", "path": f"{n}.py", "license": "mit"}
    for n in range(6)
]


def lines(rows: list[Any]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def parquet(rows: list[Any]) -> bytes:
    import pyarrow
    from pyarrow import parquet as format_

    file = io.BytesIO()
    format_.write_table(pyarrow.Table.from_pylist(rows), file)
    return file.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def whole_files() -> dict[str, bytes]:
    """One good file of each kind."""
    files = {
        "t2j.json": json.dumps({"Pytorch_to_JAX_Examples": dirty.EXAMPLES}).encode(),
        "list.json": json.dumps(dirty.EXAMPLES[:2], indent=1).encode(),
        "one.json": json.dumps(dirty.CHAINED).encode(),
        "easy/line.ipynb": json.dumps(NOTEBOOK).encode(),
        "easy/line_SOLN.ipynb": json.dumps(NOTEBOOK).encode(),
        "pairs.jsonl": lines(PAIRS),
        "pairs.json": json.dumps(PAIRS).encode(),
        "outputs.jsonl": lines(OUTPUTS),
        "rows.jsonl": lines(ROWS),
        "rows.parquet": parquet(ROWS),
        "program.py": PROGRAM.encode(),
    }
    return files | {"all.zip": zipped(files)}


ODD_TEXTS = (
    *("", " ", "\0", "\ud800", "a\ud800b", "\u202egnp.exe", "\x85\u2028\x0c", "\r\n" * 50),
    *("=cmd|' /C calc'!A0", "+1+1", "@SUM(A1)", "<script>alert(1)</script>", "'; DROP TABLE x; --"),
    *("../../etc/passwd", "/etc/passwd", "C:\\x", "e1", "kb_1"),
    *("(" * 500, "[" * 3000, "-" * 5000 + "1", "a." * 3000 + "b", "x = " + "9" * 5000),
    *("import torch\n" * 300, "def f(:\n", "# ... (Data Gen) ...\n"),
)
ODD_VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, 1e308, 10**400, [], {}, [[]], [None], {"": ""}, float("nan")),
    *ODD_TEXTS,
)


def spoil_values(data: Any, chance: random.Random) -> Any:
    """A few values, keys or items of a JSON value replaced, doubled, dropped or nested."""
    root = {"": deepcopy(data)}
    for _ in range(chance.randint(1, 4)):
        holder: Any = root
        key: Any = ""
        for _ in range(chance.randint(0, 6)):
            inner = holder[key]
            if isinstance(inner, dict) and inner:
                holder, key = inner, chance.choice(list(inner))
            elif isinstance(inner, list) and inner:
                holder, key = inner, chance.randrange(len(inner))
        _spoil_one(holder, key, chance)
    return root[""]


def _spoil_one(holder: Any, key: Any, chance: random.Random) -> None:
    what = chance.randrange(7)
    if what == 0 and isinstance(holder, dict) and key != "":
        holder[chance.choice(ODD_TEXTS)] = holder.pop(key)
    elif what == 1 and isinstance(holder, list):
        holder.insert(key, deepcopy(holder[key]))
    elif what == 2 and key != "":
        del holder[key]
    elif what == 3 and isinstance(holder[key], str):
        holder[key] = holder[key] * chance.choice((0, 2, 50))
    elif what == 4 and isinstance(holder[key], str):
        at = chance.randint(0, len(holder[key]))
        holder[key] = holder[key][:at] + chance.choice(ODD_TEXTS) + holder[key][at:]
    elif what == 5:
        deep: Any = holder[key]
        for _ in range(chance.choice((1, 3, 60))):
            deep = [deep] if chance.random() < 0.5 else {"data": deep}
        holder[key] = deep
    else:
        holder[key] = deepcopy(chance.choice(ODD_VALUES))


def spoil_bytes(content: bytes, chance: random.Random) -> bytes:
    """Cut, flipped, doubled, or with something put in."""
    at = chance.randint(0, len(content))
    to = min(len(content), at + chance.randint(0, 200))
    put_in = chance.choice(
        (
            *(
                b"\0",
                b"\xff",
                b"\xed\xa0\x80",
                b"\xef\xbb\xbf",
                b"\\ud800",
                b"\\u0000",
                b"\n",
                b'"',
            ),
            *(b"{", b"}", b"[", b"]", b",", b"[" * 2000, b'{"a":' * 1500, b"9" * 6000, b"\r\n"),
        )
    )
    return chance.choice(
        (
            content[:at],
            content[at:],
            content[:at] + content[to:],
            content[:at] + put_in + content[at:],
            content[:at] + content[at:to] * 3 + content[to:],
            content[:at]
            + bytes(byte ^ (1 << chance.randrange(8)) for byte in content[at:to][:3])
            + content[to:],
            content[:at] + chance.randbytes(to - at) + content[to:],
            content.decode("utf-8", "replace").encode("utf-16"),
        )
    )


def spoilt(seed: int) -> tuple[str, bytes]:
    """The name and content of a spoilt file; the same for the same seed."""
    chance = random.Random(seed)
    files = whole_files_once()
    name = chance.choice(list(files))
    content = files[name]
    how = chance.random()
    if how < 0.5 and name.endswith((".json", ".ipynb")):
        content = json.dumps(spoil_values(json.loads(content), chance)).encode()
    elif how < 0.6 and name.endswith(".jsonl"):
        rows = [json.loads(line) for line in content.splitlines()]
        content = lines([spoil_values(row, chance) for row in rows])
    elif how < 0.6 and name.endswith(".zip"):
        inner = {**files, chance.choice(("../out.py", "/abs.py", "a\\b.py", "x.py")): b"import a"}
        inner.pop("all.zip")
        inner.update(
            {spoiled: spoil_bytes(inner[spoiled], chance) for spoiled in ("t2j.json", "rows.jsonl")}
        )
        content = zipped(inner)
    else:
        for _ in range(chance.randint(1, 3)):
            content = spoil_bytes(content, chance)
    if chance.random() < 0.1:
        name = chance.choice(("x.txt", "noname", "\ud800.py", "ü.json", "a" * 300 + ".py"))
    return name, content


def bomb() -> bytes:
    """A small file that unpacks to 128 megabytes."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("bomb.json", "w") as member,
    ):
        for _ in range(128):
            member.write(b" " * 2**20)
    return file.getvalue()


_kept: dict[str, bytes] = {}


def whole_files_once() -> dict[str, bytes]:
    if not _kept:
        _kept.update(whole_files())
    return _kept


def large_files(folder: Path) -> Iterator[Path]:
    """Files that are far larger than what may be held, sparse or packed."""
    head = json.dumps(dirty.EXAMPLES)[:-1].encode()
    for name, start in (
        # The hole comes after what is looked at first.
        ("hole.json", head + b"," + b" " * 100_000),
        ("hole.jsonl", lines(PAIRS * 50)),
        ("hole.parquet", b"PAR1"),
        ("hole.ipynb", b'{"cells": ['),
        ("hole.py", PROGRAM.encode()),
    ):
        path = folder / name
        with path.open("wb") as file:
            file.write(start)
            file.truncate(2 * 1024**3)
        yield path
        path.unlink()
    makers: dict[str, Callable[[], bytes]] = {
        "bomb.zip": bomb,
        "nested.zip": lambda: zipped({"in.zip": zipped({"x.py": PROGRAM.encode()})}),
        "long.json": lambda: json.dumps([dirty.ELIDED | {"Input_Code": "x" * 9_000_000}]).encode(),
        "deep.json": lambda: b"[" * 5_000_000,
        "objects.json": lambda: b'[{"Example_id": "a", "x": [' + b"{}," * 1_000_000 + b"{}]}]",
        "line.jsonl": lambda: b'{"pytorch_code": "' + b"a" * 20_000_000 + b'", "jax_code": ""}\n',
        "digits.json": lambda: b'[{"Example_id": ' + b"9" * 1_000_000 + b"}]",
        "steps.json": lambda: json.dumps(
            [dirty.CHAINED | {"Errors": [dirty.step("x" * 50)] * 1999, "Input_Code": "y" * 200_000}]
        ).encode(),
        "keys.json": lambda: json.dumps({f"k{n}": n for n in range(100_000)}).encode(),
        "comments.py": lambda: b"#" * 1_900_000,
    }
    for name, make in makers.items():
        path = folder / name
        path.write_bytes(make())
        yield path
        path.unlink()


def read_all(sources: Any, counts: Counter[str]) -> None:
    """What an import does with files before it stores anything."""
    from curation.importers import open_file
    from curation.importers.base import NotThisFormat
    from curation.importers.source import Unreadable
    from curation.records import Record
    from curation.services.import_store import Prepared

    for source in sources:
        source.name.encode()
        try:
            content, format_ = open_file(source, 4 * 1024**3)
            for item in format_.read(content):
                counts[type(item).__name__] += 1
                check(item)
                if isinstance(item, Record):
                    Prepared.of(item)
        except (Unreadable, NotThisFormat) as refusal:
            str(refusal).encode()
            counts["refused"] += 1


def check(item: Any) -> None:
    """That the database can store it and a terminal can print it."""
    from curation.importers.report import Note

    if isinstance(item, Note):
        str(item).encode()
        assert item.message
        return
    texts = [item.example_id]
    for name in ("pytorch_code", "draft_code", "final_code", "title", "source", "licence", "model"):
        texts.append(getattr(item, name, ""))
    for step in getattr(item, "steps", ()):
        texts += [step.error_code, step.error, step.fix_info, step.fixed_code, step.category]
    for text in texts:
        text.encode()
        assert "\0" not in text
    assert 0 < len(item.example_id) <= 200 and len(getattr(item, "title", "")) <= 300
    assert len(getattr(item, "licence", "")) <= 100 and len(getattr(item, "model", "")) <= 200


def main(seed: int, count: int, megabytes: int) -> None:
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "t2j_site.settings"
    django.setup()
    from curation.importers.source import MemorySource, find_sources, unpacked

    resource.setrlimit(resource.RLIMIT_DATA, (megabytes * 2**20, megabytes * 2**20))
    counts: Counter[str] = Counter()
    for number in range(seed, seed + count):
        name, content = spoilt(number)
        try:
            read_all(unpacked(MemorySource(name, content)), counts)
        except BaseException:
            print(f"seed {number}", file=sys.stderr)
            raise
        counts["files"] += 1
    with TemporaryDirectory() as folder:
        for path in large_files(Path(folder)):
            read_all(find_sources([path]), counts)
            counts["large files"] += 1
    print(json.dumps({**counts, "megabytes": peak_megabytes()}))


def peak_megabytes() -> int:
    """Of this program alone: getrusage counts what the process was before it, too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (each for each in lines if each.startswith("VmHWM:"))
    return int(line.split()[1]) // 1024


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:4]))
