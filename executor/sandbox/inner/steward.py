"""Process 1 of a room: starts the zygote beside it, then a supervisor for each box asked for.

It stays small, so that what it forks is cheap; only the payload comes from the zygote.
Messages on the control socket (one datagram each): "job" with the job's socket and the
descriptors of its control group; end of file means: finish what runs and go.
"""

import json
import os
import select
import signal
import socket
import sys
from typing import Any

from . import box, libc, zygote


def main() -> None:
    """Serves until the control socket closes; ends the process, and with it the room."""
    settings = json.loads(sys.argv[1])
    sys.argv = [""]
    control = socket.socket(fileno=settings["control"])
    control.set_inheritable(False)
    libc.prctl(libc.PR_SET_DUMPABLE, 0)
    ask, asked = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    importer = os.fork()
    if importer == 0:
        ask.close()
        zygote.serve(asked, control, settings)
    asked.close()
    _serve(control, ask, importer, settings)
    os._exit(0)


def wake_on_child() -> int:
    """A descriptor that becomes readable when a child ends."""
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)
    os.set_blocking(write_end, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(write_end)
    return read_end


def sleep_on_children() -> None:
    """For a fork: undoes `wake_on_child`."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def _serve(
    control: socket.socket, ask: socket.socket, importer: int, settings: dict[str, Any]
) -> None:
    running: set[int] = set()
    accepting = True
    wakeup = wake_on_child()
    while accepting or running:
        watched: list[Any] = [wakeup, control] if accepting else [wakeup]
        ready, _, _ = select.select(watched, [], [])
        if wakeup in ready:
            os.read(wakeup, 4096)
        if control in ready:
            message, descriptors, _, _ = socket.recv_fds(control, 64, 16)
            if message:
                running.add(_supervise(control, ask, descriptors, settings))
                accepting = not settings["once"]
            else:
                accepting = False
        gone = _reap()
        if importer in gone:
            os._exit(1)
        running -= gone


def _supervise(
    control: socket.socket, ask: socket.socket, descriptors: list[int], settings: dict[str, Any]
) -> int:
    child = os.fork()
    if child == 0:
        try:
            sleep_on_children()
            control.close()
            box.supervise(
                ask,
                descriptors,
                uid=settings["uid"],
                has_proc=settings["proc"],
                gpu=settings["gpu"],
            )
        finally:
            os._exit(0)
    for descriptor in descriptors:
        os.close(descriptor)
    return child


def _reap() -> set[int]:
    gone: set[int] = set()
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return gone
        if pid == 0:
            return gone
        gone.add(pid)
