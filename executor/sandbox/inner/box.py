"""One box and its three processes.

The *supervisor* makes fresh mount, pid, net, ipc and uts namespaces, lays the files out, keeps
the limits and collects the results. The *init* is process 1 of the box; killing it ends all.
The *payload*, forked from the zygote into the box, gives up every right, enters a user namespace
of its own and runs the entry.
"""

import contextlib
import json
import os
import socket
from pathlib import Path
from typing import Any

from . import libc, payload, wire
from .watch import CACHE, Box, Watch

_TMPFS_FLAGS = libc.MS_NOSUID | libc.MS_NODEV


def supervise(
    ask: socket.socket, descriptors: list[int], *, uid: int, has_proc: bool, gpu: bool
) -> None:
    """Builds a box, then waits for its job on the first descriptor.

    The other two, if any, enter the job's control group and read its out-of-memory count.
    `ask` leads to the zygote.
    """
    sock = socket.socket(fileno=descriptors[0])
    try:
        box = _build(ask, descriptors[1:], uid, has_proc, gpu)
        head, files = wire.receive(sock, 1 << 31)
        watch = _start(sock, box, head, files)
        wire.send(sock, *watch.follow())
        # Taking the box down takes longer than a caller should wait for.
        sock.close()
        watch.stop()
    except wire.Closed:
        return
    except Exception as error:
        detail = f"the box failed: {type(error).__name__}: {error}"
        with contextlib.suppress(OSError):
            wire.send(sock, {"end": "infrastructure", "detail": detail}, {})


def _build(ask: socket.socket, groups: list[int], uid: int, has_proc: bool, gpu: bool) -> Box:
    libc.unshare(libc.NEWNS | libc.NEWPID | libc.NEWNET | libc.NEWIPC | libc.NEWUTS)
    _mount_private(uid)
    init = _start_init(has_proc)
    pipes = {name: os.pipe() for name in ("go", "status", "out", "err", "ready")}
    theirs = [ends[name != "go"] for name, ends in pipes.items()]
    ours = {name: ends[name == "go"] for name, ends in pipes.items()}
    pidfd = os.pidfd_open(init)
    request = json.dumps({"uid": uid, "proc": has_proc, "gpu": gpu}).encode()
    socket.send_fds(ask, [request], [pidfd, *theirs, *groups[:1]])
    for descriptor in (pidfd, *theirs, *groups[:1]):
        os.close(descriptor)
    wait_until_ready(ours["ready"])
    return Box(
        init,
        uid,
        has_proc,
        go=ours["go"],
        status=ours["status"],
        out=ours["out"],
        err=ours["err"],
        events=groups[1] if groups else None,
        gpu=gpu,
    )


def _start_init(has_proc: bool) -> int:
    read_end, write_end = os.pipe()
    init = os.fork()
    if init == 0:
        payload.be_init(write_end, has_proc)
    os.close(write_end)
    wait_until_ready(read_end)
    return init


def wait_until_ready(descriptor: int) -> None:
    """Waits until the other side closes; raises RuntimeError with what it said before."""
    with os.fdopen(descriptor, "rb") as ready:
        problem = ready.read()
    if problem:
        raise RuntimeError(problem.decode(errors="replace"))


def _start(sock: socket.socket, box: Box, head: dict[str, Any], files: dict[str, bytes]) -> "Watch":
    limits = head["limits"]
    size = f"size={limits['work_mb']}m"
    libc.mount(None, "/work", None, libc.MS_REMOUNT | _TMPFS_FLAGS, size)
    lay_out(files, box.uid)
    cached = {name.removeprefix("cache/") for name in files} if head["cache"] else None
    os.write(box.go, json.dumps(head).encode() + b"\n")
    os.close(box.go)
    return Watch(sock, limits, box, cached)


def _mount_private(uid: int) -> None:
    """One tmpfs behind /tmp, /work and /dev/shm, so that one size limits all three."""
    libc.mount("tmpfs", "/scratch", "tmpfs", _TMPFS_FLAGS, "size=1m,nr_inodes=32768,mode=755")
    for name, target in (("tmp", "/tmp"), ("work", "/work"), ("shm", "/dev/shm")):  # noqa: S108
        Path(f"/scratch/{name}").mkdir()
        libc.mount(f"/scratch/{name}", target, None, libc.MS_BIND)
    libc.unmount("/scratch")
    for folder in ("/tmp", "/dev/shm"):  # noqa: S108
        Path(folder).chmod(0o1777)
    for folder in ("/work/in", "/work/out", CACHE):
        Path(folder).mkdir()
    for folder in ("/work", "/work/in", "/work/out", CACHE):
        os.chown(folder, uid, uid)


def lay_out(files: dict[str, bytes], uid: int) -> None:
    """Writes "in/NAME" and "cache/NAME" to their folders."""
    folders = {"in": "/work/in", "cache": CACHE}
    for key, data in files.items():
        folder, _, name = key.partition("/")
        path = Path(folders[folder], name)
        path.write_bytes(data)
        os.chown(path, uid, uid)
