"""Stands for `docker` where there is none: reads the same words and really makes the container.

Mount, pid, net, ipc and uts namespaces, a root of the bound folders, the capabilities left, a
memory group where one can be had. Words it does not know end it as they end Docker.
"""

import argparse
import ctypes
import json
import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from executor.sandbox import groups
from executor.sandbox.inner import libc

STATE = Path(os.environ["FAKE_DOCKER"])
RIGHTS = {"CHOWN": 0, "DAC_OVERRIDE": 1, "KILL": 5, "SETGID": 6, "SETUID": 7, "SETPCAP": 8}


def main() -> int:
    words = sys.argv[1:]
    if words[0] == "info":
        print((STATE / "runtimes").read_text())
        return 0
    if words[:2] == ["image", "inspect"]:
        return 0 if words[2] == "an-image" else 1
    if words[0] == "kill":
        return kill(words[1])
    return run(options().parse_args(words[1:]))


def options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for switch in ("--rm", "--interactive", "--read-only"):
        parser.add_argument(switch, action="store_true", required=True)
    for name in ("--pull", "--name", "--network", "--ipc", "--hostname", "--user", "--workdir"):
        parser.add_argument(name, required=True)
    for name in ("--memory", "--memory-swap", "--pids-limit", "--cpus", "--shm-size"):
        parser.add_argument(name, required=True)
    for name in ("--log-driver", "--security-opt", "--cap-drop", "--runtime", "--gpus"):
        parser.add_argument(name)
    for name in ("--cap-add", "--tmpfs", "--mount", "--env"):
        parser.add_argument(name, action="append", default=[])
    parser.add_argument("image")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    return parser


def kill(name: str) -> int:
    try:
        os.kill(int((STATE / name).read_text()), signal.SIGKILL)
    except (OSError, ValueError):
        return 1
    return 0


def run(chosen: argparse.Namespace) -> int:
    (STATE / "said").write_text(json.dumps(vars(chosen)))
    assert (chosen.network, chosen.cap_drop, chosen.user) == ("none", "ALL", "0:0")
    assert chosen.security_opt == "no-new-privileges"
    group = groups.make()
    if group:
        group.limit(int(chosen.memory.removesuffix("m")))
        os.write(group.descriptors[0], b"0")
    libc.unshare(libc.NEWPID | libc.NEWNET | libc.NEWIPC | libc.NEWUTS)
    child = os.fork()
    if child == 0:
        try:
            become(chosen)
        finally:
            os._exit(125)
    (STATE / chosen.name).write_text(str(child))
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    (STATE / chosen.name).unlink()
    return code if code >= 0 else 137


def become(chosen: argparse.Namespace) -> None:
    """Builds the root, drops what is not granted, and executes the command."""
    libc.prctl(libc.PR_SET_PDEATHSIG, signal.SIGKILL)
    libc.unshare(libc.NEWNS)
    libc.mount("none", "/", None, libc.MS_REC | libc.MS_PRIVATE)
    libc.set_hostname(chosen.hostname)
    root = STATE / f"root-{os.getpid()}-{chosen.name}"
    root.mkdir()
    libc.mount("tmpfs", str(root), "tmpfs", 0, "size=8m,mode=755")
    build(root, chosen)
    os.chdir(root)
    libc.pivot_root_here()
    libc.mount(None, "/", None, libc.MS_REMOUNT | libc.MS_BIND | libc.MS_RDONLY)
    os.chdir(chosen.workdir)
    limit_rights({RIGHTS[name] for name in chosen.cap_add})
    environment = dict(each.split("=", 1) for each in chosen.env)
    os.execve(chosen.command[0], chosen.command, environment)


def build(root: Path, chosen: argparse.Namespace) -> None:
    for mount in chosen.mount:
        told = dict(part.partition("=")[::2] for part in mount.split(","))
        assert told["type"] == "bind" and "readonly" in told
        target = root / told["target"].lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if Path(told["source"]).is_dir():
            target.mkdir(exist_ok=True)
        elif not target.exists():
            target.touch()
        libc.mount(told["source"], str(target), None, libc.MS_BIND | libc.MS_REC)
        libc.make_read_only(str(target))
    shared = f"/dev/shm:size={chosen.shm_size},mode=1777"
    for spec in (*chosen.tmpfs, shared):
        place, _, words = spec.partition(":")
        data = ",".join(word for word in words.split(",") if "=" in word)
        (root / place.lstrip("/")).mkdir(parents=True, exist_ok=True)
        flags = libc.MS_NOSUID | libc.MS_NODEV
        libc.mount("tmpfs", str(root / place.lstrip("/")), "tmpfs", flags, data)
    for name in ("null", "zero", "full", "random", "urandom"):
        (root / "dev" / name).touch()
        libc.mount(f"/dev/{name}", str(root / "dev" / name), None, libc.MS_BIND)
    (root / "proc").mkdir()
    libc.mount("proc", str(root / "proc"), "proc", libc.MS_NOSUID | libc.MS_NODEV)


def limit_rights(granted: set[int]) -> None:
    for capability in set(range(64)) - granted:
        try:
            libc.prctl(libc.PR_CAPBSET_DROP, capability)
        except OSError:
            break
    mask = sum(1 << capability for capability in granted)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    data = (ctypes.c_uint32 * 6)(mask, mask, 0, 0, 0, 0)
    number = {"x86_64": 126, "aarch64": 91}[libc.machine()]
    assert ctypes.CDLL(None).syscall(ctypes.c_long(number), header, data) == 0
    libc.prctl(libc.PR_SET_NO_NEW_PRIVS, 1)


if __name__ == "__main__":
    sys.exit(main())
