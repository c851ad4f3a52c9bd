"""One message over a stream socket: a JSON head and the bytes it announces."""

import json
import struct
from collections.abc import Mapping
from typing import Any, Protocol

_LENGTHS = struct.Struct("!QQ")
_HEAD_MAX = 1 << 24


class Stream(Protocol):
    """What messages go over: a socket, or a pair of pipes."""

    def fileno(self) -> int: ...

    def recv_into(self, view: memoryview, /) -> int: ...

    def sendall(self, data: bytes, /) -> None: ...


class Closed(Exception):
    """The other side went away in the middle of a message."""


def send(sock: Stream, head: Mapping[str, Any], parts: Mapping[str, bytes]) -> None:
    """Sends `head` (JSON values) and the named `parts`."""
    sizes = [[name, len(data)] for name, data in parts.items()]
    text = json.dumps({"head": head, "parts": sizes}).encode()
    sock.sendall(_LENGTHS.pack(len(text), sum(size for _, size in sizes)) + text)
    for data in parts.values():
        sock.sendall(data)


def receive(sock: Stream, limit: int) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Reads one message; raises Closed when it ends early or announces more than `limit` bytes."""
    head_size, body_size = _LENGTHS.unpack(_exactly(sock, _LENGTHS.size))
    if head_size > _HEAD_MAX or body_size > limit:
        raise Closed("a message larger than allowed")
    message = json.loads(_exactly(sock, head_size))
    parts = {name: bytes(_exactly(sock, size)) for name, size in message["parts"]}
    return message["head"], parts


def _exactly(sock: Stream, size: int) -> bytearray:
    data = bytearray(size)
    view = memoryview(data)
    while view:
        count = sock.recv_into(view)
        if count == 0:
            raise Closed("the other side closed the connection")
        view = view[count:]
    return data
