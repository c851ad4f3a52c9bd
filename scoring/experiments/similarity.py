"""How much two programs are alike, by the names and calls that they use. Plain Python."""

import math
import re
from collections import Counter
from collections.abc import Sequence

_WORD = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")


def words_of(code: str) -> Counter[str]:
    """Dotted names in a program (`nn.Linear`, `torch.optim.Adam`) and their parts."""
    found: Counter[str] = Counter()
    for name in _WORD.findall(code):
        found[name] += 1
        parts = name.split(".")
        if len(parts) > 1:
            found.update(parts)
    return found


def similarities(code: str, others: Sequence[str]) -> list[float]:
    """Cosine of TF-IDF vectors of `code` and each of `others`, 0 to 1.

    Term frequency is 1 + ln(count); inverse document frequency is ln((1 + n) / (1 + df)) + 1 over
    all n programs given (Manning, Raghavan, Schütze 2008, chapter 6, smoothed).
    """
    documents = [words_of(text) for text in (code, *others)]
    frequency = Counter(word for document in documents for word in document)
    weights = {
        word: math.log((1 + len(documents)) / (1 + number)) + 1
        for word, number in frequency.items()
    }
    vectors = [
        {word: (1 + math.log(count)) * weights[word] for word, count in document.items()}
        for document in documents
    ]
    return [_cosine(vectors[0], other) for other in vectors[1:]]


def _cosine(left: dict[str, float], right: dict[str, float]) -> float:
    # fsum gives the same for every order of the words.
    product = math.fsum(value * right[word] for word, value in left.items() if word in right)
    lengths = math.sqrt(math.fsum(v * v for v in left.values())) * math.sqrt(
        math.fsum(v * v for v in right.values())
    )
    return product / lengths if lengths else 0.0
