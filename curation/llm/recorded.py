"""Models that answer from a file: no network, no key, the same answer every time.

`recorded:NAME` is fixtures/experiments/NAME/answers.json, a list of
`{"subject": ..., "answers": [text, ...]}`, one text per sample.
"""

import json
from functools import lru_cache
from typing import Any

from django.conf import settings

from curation.llm.client import Answer, Trouble, TroubleKind
from curation.llm.tokens import tokens_of, tokens_of_messages
from curation.models import Call


def answer(call: Call) -> Answer:
    """The recorded answer to a call's subject, in the shape of a completion.

    Raises:
        Trouble: there is none.
    """
    name = call.model.base_url.partition(":")[2]
    texts = _answers(name).get(call.subject, [])
    if call.sample >= len(texts):
        raise Trouble(
            TroubleKind.REFUSED, f"No answer to “{call.subject}” was recorded (recording {name})."
        )
    text = texts[call.sample]
    raw: dict[str, Any] = {
        "recorded": name,
        "model": call.model.model_id,
        "choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": tokens_of_messages(call.messages),
            "completion_tokens": tokens_of(text),
        },
    }
    return Answer(raw, 0.0)


@lru_cache(maxsize=8)
def _answers(name: str) -> dict[str, list[str]]:
    path = settings.BASE_DIR / "fixtures" / "experiments" / name / "answers.json"
    try:
        rows = json.loads(path.read_text())["answers"]
    except FileNotFoundError:
        raise Trouble(TroubleKind.SETUP, f"There is no recording named {name}.") from None
    return {row["subject"]: row["answers"] for row in rows}
