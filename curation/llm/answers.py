"""What an answer says, whatever shape the provider gave it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from curation.llm.extraction import extract_code


@dataclass(frozen=True, slots=True)
class Message:
    """The message of a completion: its text, why it ended, and what was odd about it."""

    text: str
    finish_reason: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class FoundCode:
    """The program in an answer; `code` is empty when there is none, and `note` says why."""

    code: str
    note: str = ""


def read_message(raw: dict[str, Any]) -> Message:
    """The first choice of a chat completion as the provider sent it."""
    choices = raw.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(first, dict):
        return Message("", note="The provider answered without any choice.")
    message = first.get("message")
    message = message if isinstance(message, dict) else {}
    finish = str(first.get("finish_reason") or "")
    refusal = message.get("refusal")
    text = _content(message.get("content"))
    if text.strip():
        return Message(text, finish)
    if isinstance(refusal, str) and refusal.strip():
        return Message("", finish, f"The model refused: {refusal.strip()[:300]}")
    called = max(_tool_texts(message), key=len, default="")
    if called.strip():
        return Message(called, finish, "The answer came as a tool call.")
    if _has_reasoning(message):
        return Message("", finish, "The model only reasoned and answered nothing.")
    return Message("", finish, "The answer is empty.")


def find_code(message: Message) -> FoundCode:
    """The program in a message, with a sentence on whatever is missing or was left out."""
    if not message.text.strip():
        return FoundCode("", message.note or "The answer is empty.")
    found = extract_code(message.text)
    notes = [message.note, found.note]
    if message.finish_reason == "length":
        notes.append("The answer is cut off: it reached the limit of tokens.")
    elif message.finish_reason == "content_filter":
        notes.append("The provider's filter ended the answer.")
    if not found.is_code:
        return FoundCode("", _joined(*notes))
    return FoundCode(found.code, _joined(*notes))


def _content(content: object) -> str:
    """Text of a message's content, which is a text or a list of parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return "".join(_part(part) for part in content)


def _part(part: object) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict) or part.get("type") not in (None, "text", "output_text"):
        return ""
    text = part.get("text")
    if isinstance(text, dict):
        text = text.get("value")
    return text if isinstance(text, str) else ""


def _tool_texts(message: dict[str, Any]) -> Iterator[str]:
    """Texts in the arguments of tool calls: where some models put the program."""
    calls = message.get("tool_calls")
    named = [call.get("function") for call in calls or [] if isinstance(call, dict)]
    for function in [*named, message.get("function_call")]:
        if isinstance(function, dict):
            yield from _argument_texts(function.get("arguments"))


def _argument_texts(arguments: object) -> Iterator[str]:
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError:
            yield str(arguments)
            return
    if isinstance(arguments, dict):
        yield from (value for value in arguments.values() if isinstance(value, str))


def _has_reasoning(message: dict[str, Any]) -> bool:
    return any(message.get(name) for name in ("reasoning", "reasoning_content"))


def _joined(*notes: str) -> str:
    return " ".join(dict.fromkeys(note for note in notes if note))
