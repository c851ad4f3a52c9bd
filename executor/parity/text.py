"""Printed text, read as lines of words and numbers, and aligned between two programs.

Brackets, punctuation, case, framework names and the dress of printed tensors carry no meaning
here: `w: tensor([[1.5]], requires_grad=True)` and `W = [[1.5]]` read alike. What a program says
about its own speed, its machine or its progress is set aside, and so is the repr of a model.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

MAX_LINES = 20_000
# Past this many lines the quadratic alignment is replaced by position.
MAX_ALIGNED = 3_000
MAX_JOINED = 400
MAX_UNCLOSED = 50
MAX_LINE = 200_000

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
NUMBER = re.compile(
    r"(?<![A-Za-z0-9_.])(?:(?<![\])])[-+])?"
    r"(?:\d{1,3}(?:,\d{3})+(?![\d,])(?:\.\d*)?|\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
    r"|(?<![A-Za-z0-9_])[-+]?(?:nan|inf(?:inity)?)(?![A-Za-z0-9_])",
    re.IGNORECASE,
)
DOUBLE = re.compile(r"^(u?int|float)64$")
WORD = re.compile(r"[^\W_]+")
TENSOR_OPEN = re.compile(
    r"\b(?:tensor|Array|DeviceArray|ArrayImpl|array|Parameter)\(|\btorch\.Size\("
    r"|\b(?:np|numpy|jnp)\.\w+\("
)
DRESS = re.compile(
    r"\b(?:tensor|Array|DeviceArray|array|Parameter)(?=\()|\bParameter containing:"
    r"|\btorch\.Size(?=\()|\b(?:np|numpy|jnp)\.\w+(?=\()"
    r"|,?\s*\b(?:grad_fn=<[^<>]{0,80}>|requires_grad=\w+|dtype=[\w.]+"
    r"|device='[^']{0,40}'|size=\([\d, ]*\)|weak_type=\w+)"
    r"|\b(?:torch|jnp|jax\.numpy|np|numpy)\.(?=\w)"
)
FILE_NAME = re.compile(
    r"[\w./-]{1,200}\.(?:pth|pt|pkl|pickle|msgpack|npz|npy|ckpt|safetensors|bin|eqx|orbax)\b"
)
FRAMEWORK = re.compile(r"\b(?:py)?torch\b|\bjax\b|\bflax\b|\blinen\b|\bnnx\b|\bequinox\b", re.I)
PROGRESS = re.compile(r"\d+%\s?\|.{0,200}\||\d(?:it/s|s/it)\b|\d+/\d+\s*\[[=>. #-]{3,}\]")
MACHINE = re.compile(
    r"\b(?:cuda|gpu|tpu|mps)\b|\bdevices?\b|\b(?:torch|jax|python|numpy|flax)\s+version\b"
    r"|\bversion\s*:|\b\w*Warning\b\s*:|\bwarnings?\.warn\b",
    re.IGNORECASE,
)
TIMING_WORDS = re.compile(
    r"\b(?:time|times|timing|elapsed|took|takes|duration|latency|throughput|speed|speedup|"
    r"eta|runtime|seconds?|secs?|ms|milliseconds?|minutes?|samples/s(?:ec)?|memory|mem)\b"
    r"|\w_time\b|\btime_\w",
    re.IGNORECASE,
)
TIME_UNIT = re.compile(
    r"\s*(?:s|sec|secs|seconds?|ms|us|µs|ns|milliseconds?|microseconds?|minutes?|mins?|"
    r"it/s|samples/s(?:ec)?|s/epoch|ms/step|s/it|[kmg]i?b|x\s+(?:faster|slower|speed))\b(?!\w)",
    re.IGNORECASE,
)
TIME_LABEL = re.compile(
    r"(?:\btime|elapsed|took|duration|latency|throughput|speedup|\beta|runtime)"
    r"(?:\s*\([^()]{0,20}\))?\s*[:=]?\s*\Z",
    re.IGNORECASE,
)
CLOCK = re.compile(r"\b\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?\b|\b\d{4}-\d{2}-\d{2}\b")
MODEL_OPEN = re.compile(r"^\w[\w.]* ?\(\s*$")
MODEL_CHILD = re.compile(r"^\s+(?:\([\w.]+\):\s|\w+\s*=\s|#)|^Parameter Group \d")
# A layer that is printed alone: `Linear(in_features=3, out_features=1, bias=True)`.
LAYER = re.compile(
    r"(?:^|[\s:])(?:\w+\((?:in_features|in_channels|features|num_features)=\d"
    r"|(?:Conv\dd|ConvTranspose\dd|LSTM|GRU|RNN|Embedding|BatchNorm\dd|LayerNorm)\(\(?\d+,)"
)


@dataclass(frozen=True, slots=True)
class Number:
    """A printed number.

    `unit` is the worth of its last printed place (within an array: of the array's finest), 0 for
    integers. `array` numbers the printed array it stands in on its line, 0 outside of any.
    """

    value: float
    text: str
    unit: float
    integer: bool
    timing: bool
    array: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """A logical line of output: a tensor printed over several lines is one.

    `position` is its first physical line, from 1. `aside` says why it is not compared, or "".
    """

    position: int
    raw: str
    template: str
    numbers: tuple[Number, ...]
    aside: str = ""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two aligned lines; one side is None where the other side has no counterpart."""

    reference: Line | None
    candidate: Line | None

    @property
    def alike(self) -> bool:
        """Whether both are there and say the same but for the values of their numbers."""
        return (
            self.reference is not None
            and self.candidate is not None
            and self.reference.template == self.candidate.template
        )


def read(text: str) -> list[Line]:
    """The logical lines of a program's output, empty and purely ornamental ones left out."""
    lines = [read_line(position, raw) for position, raw in logical_lines(text)]
    return [line for line in lines if line.template or line.aside]


def comparable(text: str) -> list[Line]:
    """The lines that are compared: what `read` gives, without those set aside."""
    return [line for line in read(text) if not line.aside]


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """(first physical line from 1, text) with printed tensors joined and model reprs in one."""
    physical = [visible(line) for line in text.split("\n")[:MAX_LINES]]
    index = unclosed = 0
    while index < len(physical):
        # Text full of brackets that never close is not worth looking ahead for.
        count = span(physical, index) if unclosed < MAX_UNCLOSED else 1
        unclosed += count == 0
        count = max(count, 1)
        yield index + 1, "\n".join(physical[index : index + count])
        index += count


def visible(line: str) -> str:
    """What a terminal would show of a line: no colours, the last of what \\r overwrote."""
    parts = [part for part in ANSI.sub("", line[:MAX_LINE]).split("\r") if part.strip()]
    return parts[-1].rstrip() if parts else ""


def span(physical: Sequence[str], index: int) -> int:
    """How many physical lines, from `index`, make one logical line; 0 when none closes it."""
    if MODEL_OPEN.match(physical[index]):
        count = model_span(physical, index)
        if count:
            return count
    depth: list[str] = []
    for offset, line in enumerate(physical[index : index + MAX_JOINED]):
        track(line, depth)
        if not depth:
            return offset + 1
    return 0


def model_span(physical: Sequence[str], index: int) -> int:
    """Length of a printed module (`Net(` ... `)`), 0 when it is none."""
    if index + 1 >= len(physical) or not MODEL_CHILD.match(physical[index + 1]):
        return 0
    for offset, line in enumerate(physical[index : index + MAX_JOINED]):
        if offset and line.startswith(")"):
            return offset + 1
    return 0


def track(line: str, depth: list[str]) -> None:
    """Follow brackets that keep a printed array open. Other parentheses close on their line."""
    opens = {match.end() - 1 for match in TENSOR_OPEN.finditer(line)}
    plain = 0
    for position, char in enumerate(line):
        if char == "[" or position in opens:
            depth.append(char)
        elif char == "(":
            plain += 1
        elif char == ")" and plain:
            plain -= 1
        elif char in ")]" and depth and depth[-1] == {")": "(", "]": "["}[char]:
            depth.pop()


def read_line(position: int, raw: str) -> Line:
    """Split a logical line into the template of its words and its numbers."""
    text = FILE_NAME.sub(" savedfile ", DRESS.sub(" ", raw))
    text = FRAMEWORK.sub(" framework ", CLOCK.sub(" clock ", text))
    template: list[str] = []
    numbers: list[Number] = []
    end = 0
    inside = arrays_of(text)
    for match in NUMBER.finditer(text):
        template += words(text[end : match.start()])
        numbers.append(read_number(match, text, inside[match.start()]))
        template.append("#")
        end = match.end()
    template += words(text[end:])
    return Line(position, raw, " ".join(template), refined(numbers), set_aside(raw))


def arrays_of(text: str) -> list[int]:
    """For each character, the number of the printed array it is in, 0 outside of any."""
    found: list[int] = []
    depth = count = 0
    for char in text:
        if char == "[":
            count += depth == 0
            depth += 1
        elif char == "]" and depth:
            depth -= 1
        found.append(count if depth else 0)
    return found


def refined(numbers: Sequence[Number]) -> tuple[Number, ...]:
    """NumPy drops trailing zeros: in one array, `2.` is as exact as its neighbour `1.25`."""
    finest: dict[int, float] = {}
    for number in numbers:
        if number.array and not number.integer and number.unit:
            finest[number.array] = min(number.unit, finest.get(number.array, math.inf))
    return tuple(
        replace(number, unit=finest.get(number.array, 0.0)) if number.array else number
        for number in numbers
    )


def words(text: str) -> list[str]:
    """The words of a text in lower case; 64-bit types read as the 32-bit ones that JAX has."""
    return [DOUBLE.sub(r"\g<1>32", word.lower()) for word in WORD.findall(text)]


def read_number(match: re.Match[str], text: str, array: int) -> Number:
    printed = match.group()
    digits = printed.replace(",", "").lower()
    mantissa, _, exponent = digits.partition("e")
    places = len(mantissa.partition(".")[2]) if digits[-1] not in "nfy" else 0
    integer = "." not in digits and "e" not in digits and "n" not in digits
    power = int(exponent[:6]) if exponent and exponent.lstrip("+-").isdigit() else 0
    exact = integer or digits[-1] in "nfy"
    unit = 0.0 if exact else 10.0 ** max(min(power - places, 300), -320)
    timing = bool(
        (TIME_UNIT.match(text, match.end()) and not integer)
        or (TIME_UNIT.match(text, match.end()) and TIMING_WORDS.search(text))
        or TIME_LABEL.search(text[max(0, match.start() - 60) : match.start()])
    )
    try:
        value = float(digits)
    except (ValueError, OverflowError):
        value = math.nan
    return Number(value, printed, unit, integer, timing, array)


def set_aside(raw: str) -> str:
    """Why a line is not compared: it speaks of the machine, of progress, or shows a model."""
    if PROGRESS.search(raw):
        return "progress bar"
    if LAYER.search(raw) or (MODEL_OPEN.match(raw.split("\n", 1)[0]) and "\n" in raw):
        return "printed model"
    if "<class '" in raw:
        return "printed type"
    if MACHINE.search(raw):
        return "about the machine"
    return ""


def align(reference: Sequence[Line], candidate: Sequence[Line]) -> list[Pair]:
    """Pair the lines of two outputs in order, by what they say."""
    ours = [line.template for line in reference]
    theirs = [line.template for line in candidate]
    if ours == theirs or max(len(ours), len(theirs)) > MAX_ALIGNED:
        return by_position(reference, candidate)
    pairs: list[Pair] = []
    matcher = difflib.SequenceMatcher(None, ours, theirs, autojunk=False)
    for _, i1, i2, j1, j2 in matcher.get_opcodes():
        pairs += by_position(reference[i1:i2], candidate[j1:j2])
    return pairs


def by_position(reference: Sequence[Line], candidate: Sequence[Line]) -> list[Pair]:
    count = max(len(reference), len(candidate))
    return [
        Pair(
            reference[index] if index < len(reference) else None,
            candidate[index] if index < len(candidate) else None,
        )
        for index in range(count)
    ]


def speaks_of_time(line: Line) -> bool:
    """Whether a line mentions time or memory, so that a number in it may be a measurement."""
    return bool(TIMING_WORDS.search(line.raw))
