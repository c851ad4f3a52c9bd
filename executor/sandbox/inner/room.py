"""Stage one: turns a fresh process into process 1 of a room, and executes the steward there.

A room is a user, mount, pid, net, ipc and uts namespace whose root holds the system libraries,
one runtime, the harness and this package, all read-only. Started as
`python -c "...room.main()" CONTROL_FD PARENT_PID PLAN` where PLAN is the JSON of a Plan.
"""

import errno
import json
import os
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from . import libc, seccomp

BOX_UID = 65534
HOME_OF_OURS = "/opt/t2j"
RUNTIME = "/opt/runtime"
BASE_PYTHON = "/opt/python"
_SYSTEM = ("/usr", "/lib", "/lib64", "/lib32", "/bin")
_DEVICES = ("null", "zero", "full", "random", "urandom")
_ETC_FROM_HOST = ("/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime")
_ETC = {
    "passwd": f"root:x:0:0::/:/bin/false\nsandbox:x:{BOX_UID}:{BOX_UID}::/tmp:/bin/sh\n",
    "group": f"root:x:0:\nsandbox:x:{BOX_UID}:\n",
    "hosts": "127.0.0.1 localhost\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    "resolv.conf": "",
}
# Other environments' packages: a candidate must not find torch there.
_FOREIGN_PACKAGES = (
    "/usr/lib/python3*/dist-packages",
    "/usr/local/lib/python3*/*-packages",
    f"{BASE_PYTHON}/lib/python3*/site-packages",
)
# Directories every Linux has and nothing we bind lies in.
_STAGES = ("/sys", "/media", "/mnt")

_ADVICE = {
    errno.EPERM: (
        "this machine forbids user namespaces: allow them"
        " (sysctl kernel.unprivileged_userns_clone=1 or, on Ubuntu,"
        " kernel.apparmor_restrict_unprivileged_userns=0), or start the container with"
        " --security-opt seccomp=unconfined --security-opt apparmor=unconfined"
    ),
    errno.ENOSPC: "user namespaces are switched off: set sysctl user.max_user_namespaces above 0",
    errno.EINVAL: "this kernel has no user namespaces (CONFIG_USER_NS)",
    errno.ENOSYS: "Linux 5.8 or newer on x86-64 or 64-bit ARM is needed",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What a room shows. Paths are the host's; `hide` are folders no bind may reveal.

    `devices` are the nodes of a GPU, beside the five that every room has; `driver` is the folder of
    its driver's libraries where the linker would not find them ("" otherwise).
    """

    prefix: str
    base: str
    base_bin: str
    site: str
    inner: str
    harness: str
    hide: list[str]
    devices: list[str]
    driver: str
    environment: dict[str, str]
    preload: list[str]
    once: bool


def main() -> None:
    """Never returns: ends with the room."""
    control, parent, text = int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    libc.prctl(libc.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    try:
        plan = Plan(**json.loads(text))
        child = _enter(control, plan)
    except Exception as error:
        _report(control, _sentence(error))
        os._exit(1)
    os.close(control)
    os.waitpid(child, 0)
    os._exit(0)


def _enter(control: int, plan: Plan) -> int:
    """Makes the namespaces and forks process 1 into them; returns its number."""
    if not seccomp.supported() or not libc.is_new_enough():
        raise OSError(errno.ENOSYS, f"this is {libc.machine()} with Linux {os.uname().release}")
    ids = _identity() if os.geteuid() == 0 else None
    _unshare_mapped(ids)
    child = os.fork()
    if child:
        return child
    try:
        libc.prctl(libc.PR_SET_PDEATHSIG, signal.SIGKILL)
        has_proc = build(plan)
        os.set_inheritable(control, True)
        settings = {
            "control": control,
            "uid": BOX_UID if ids and _contains(ids, BOX_UID) else 0,
            "proc": has_proc,
            "gpu": bool(plan.devices),
            "preload": plan.preload,
            "once": plan.once,
        }
        path = f"import sys; sys.path.append({HOME_OF_OURS!r})"
        code = f"{path}; from t2j_box.steward import main; main()"
        python = f"{RUNTIME}/bin/python"
        arguments = [python, "-s", "-P", "-B", "-c", code, json.dumps(settings)]
        os.execve(python, arguments, plan.environment)  # noqa: S606
    except BaseException as error:
        _report(control, _sentence(error))
        os._exit(1)


def _identity() -> dict[str, str]:
    """Maps that keep every number of the current user namespace."""
    maps = {}
    for kind in ("uid", "gid"):
        rows = [line.split() for line in Path(f"/proc/self/{kind}_map").read_text().splitlines()]
        maps[kind] = "\n".join(f"{first} {first} {count}" for first, _, count in rows)
    return maps


def _contains(maps: dict[str, str], number: int) -> bool:
    def within(text: str) -> bool:
        rows = [[int(part) for part in row.split()] for row in text.splitlines()]
        return any(first <= number < first + count for first, _, count in rows)

    return within(maps["uid"]) and within(maps["gid"])


def _unshare_mapped(ids: dict[str, str] | None) -> None:
    flags = libc.NEWUSER | libc.NEWNS | libc.NEWPID | libc.NEWNET | libc.NEWIPC | libc.NEWUTS
    if ids is None:
        uid, gid = os.geteuid(), os.getegid()
        libc.unshare(flags)
        write_own_maps(f"0 {uid} 1", f"0 {gid} 1")
        return
    # A map of more than oneself must be written from outside, with the rights of outside.
    ready, go = os.pipe()
    writer = os.fork()
    if writer == 0:
        try:
            os.close(go)
            os.read(ready, 1)
            for kind, text in ids.items():
                Path(f"/proc/{os.getppid()}/{kind}_map").write_text(text)
        except OSError:
            os._exit(1)
        os._exit(0)
    os.close(ready)
    try:
        libc.unshare(flags)
    finally:
        os.close(go)
        failed = os.waitpid(writer, 0)[1]
    if failed:
        raise OSError(errno.EPERM, "root may not map its users into a namespace here")


def write_own_maps(uid_map: str, gid_map: str) -> None:
    """Maps one user and group into the namespace just made."""
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(uid_map)
    Path("/proc/self/gid_map").write_text(gid_map)


def build(plan: Plan) -> bool:
    """Builds the root and moves into it; returns whether it has a /proc of its own."""
    libc.mount("none", "/", None, libc.MS_REC | libc.MS_PRIVATE)
    libc.set_hostname("sandbox")
    stage = next(path for path in _STAGES if Path(path).is_dir())
    libc.mount("tmpfs", stage, "tmpfs", libc.MS_NOSUID, "size=8m,mode=755")
    for name in ("tmp", "work", "dev/shm", "scratch", "etc", "proc", "sys", "opt/t2j"):
        Path(f"{stage}/{name}").mkdir(parents=True)
    bound = _bind_all(plan, stage)
    _fill_etc(stage)
    _fill_dev(stage, [*(f"/dev/{name}" for name in _DEVICES), *plan.devices])
    write_venv(plan, stage + RUNTIME)
    has_proc = _mount_proc(f"{stage}/proc")
    _hide(plan.hide, bound, stage)
    flags = libc.MS_NOSUID | libc.MS_NODEV
    libc.mount("tmpfs", f"{stage}/tmp", "tmpfs", flags, "size=64m")  # noqa: S108
    os.chdir(stage)
    libc.pivot_root_here()
    held = libc.MS_NOSUID | libc.MS_RDONLY
    libc.mount(None, "/", None, libc.MS_REMOUNT | libc.MS_BIND | held)
    return has_proc


def _bind_all(plan: Plan, stage: str) -> dict[str, str]:
    """Binds what the room shows; returns {path in the room: path on the host}."""
    wanted = binds(plan)
    for path in _SYSTEM:
        if Path(path).is_symlink():
            Path(stage + path).symlink_to(Path(path).readlink())
            wanted.pop(path, None)
    for inside, source in wanted.items():
        bind_read_only(source, stage + inside)
    return wanted


def binds(plan: Plan) -> dict[str, str]:
    """What a room or container shows of the host, read-only: {path inside: path on the host}."""
    wanted = {
        f"{RUNTIME}/lib": f"{plan.prefix}/lib",
        f"{HOME_OF_OURS}/harness": plan.harness,
        f"{HOME_OF_OURS}/t2j_box": plan.inner,
    }
    wanted |= {path: os.path.realpath(path) for path in _SYSTEM if Path(path).is_dir()}
    if not _within(plan.base, "/usr"):
        wanted[BASE_PYTHON] = plan.base
    if plan.driver and not any(_within(plan.driver, path) for path in _SYSTEM):
        wanted[plan.driver] = plan.driver
    return wanted | {path: path for path in _ETC_FROM_HOST if Path(path).exists()}


def bind_read_only(source: str, target: str) -> None:
    if Path(source).is_dir():
        Path(target).mkdir(parents=True, exist_ok=True)
    else:
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        Path(target).touch()
    libc.mount(source, target, None, libc.MS_BIND | libc.MS_REC)
    libc.make_read_only(target)


def _fill_etc(stage: str) -> None:
    for name, text in _ETC.items():
        Path(f"{stage}/etc/{name}").write_text(text)


def _fill_dev(stage: str, nodes: list[str]) -> None:
    for node in nodes:
        target = f"{stage}/dev/{Path(node).name}"
        Path(target).touch()
        libc.mount(node, target, None, libc.MS_BIND)
    for at, name in enumerate(("stdin", "stdout", "stderr")):
        Path(f"{stage}/dev/{name}").symlink_to(f"/proc/self/fd/{at}")
    Path(f"{stage}/dev/fd").symlink_to("/proc/self/fd")


def write_venv(plan: Plan, folder: str) -> None:
    """A virtual environment in front of the bound packages, pointing at the bound base."""
    base_bin = plan.base_bin if _within(plan.base, "/usr") else f"{BASE_PYTHON}/bin"
    Path(f"{folder}/bin").mkdir()
    for name in ("python", "python3"):
        Path(f"{folder}/bin/{name}").symlink_to(f"{base_bin}/{plan.site}")
    text = f"home = {base_bin}\ninclude-system-site-packages = false\n"
    Path(f"{folder}/pyvenv.cfg").write_text(text)


def _mount_proc(target: str) -> bool:
    flags = libc.MS_NOSUID | libc.MS_NODEV | libc.MS_NOEXEC
    try:
        libc.mount("proc", target, "proc", flags)
    except PermissionError:
        # Containers that cover parts of /proc may not mount another one: a few plain files do.
        for name in ("cpuinfo", "meminfo", "stat"):
            Path(f"{target}/{name}").write_bytes(Path(f"/proc/{name}").read_bytes())
        return False
    return True


def covered(secrets: list[str], bound: dict[str, str]) -> list[str]:
    """Folders of the room that must look empty: secrets, and other environments' packages.

    `bound` is {path in the room: path on the host}; what lies in none of them cannot be seen.
    """
    found = []
    for inside, source in bound.items():
        hidden = [path for path in secrets if path != source and _within(path, source)]
        for pattern in _FOREIGN_PACKAGES:
            if _within(pattern, inside) and pattern != inside:
                rest = pattern[len(inside) :].lstrip("/")
                hidden += [str(path) for path in Path(source).glob(rest)]
        found += [f"{inside}{path[len(source) :]}" for path in hidden if Path(path).is_dir()]
    return found


def _hide(secrets: list[str], bound: dict[str, str], stage: str) -> None:
    for path in covered(secrets, bound):
        flags = libc.MS_NOSUID | libc.MS_NODEV | libc.MS_RDONLY
        libc.mount("tmpfs", stage + path, "tmpfs", flags, "size=4k,mode=555")


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _sentence(error: BaseException) -> str:
    number = error.errno if isinstance(error, OSError) else None
    if number in _ADVICE:
        return f"{_ADVICE[number]} ({error})"
    return f"the room could not be built: {type(error).__name__}: {error}"


def _report(control: int, text: str) -> None:
    with socket.socket(fileno=os.dup(control)) as sock:
        sock.send(json.dumps({"error": text}).encode())
