"""The system calls Python 3.11 does not have."""

import ctypes
import os
import platform
import re
from pathlib import Path

NEWNS, NEWUTS, NEWIPC = 0x00020000, 0x04000000, 0x08000000
NEWUSER, NEWPID, NEWNET = 0x10000000, 0x20000000, 0x40000000
NEWCGROUP = 0x02000000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 32, 4096, 16384, 1 << 18
MNT_DETACH = 2
_MADV_COLLAPSE = 25
HUGE_PAGE = 2 << 20

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP = 1, 4, 22
PR_CAPBSET_DROP, PR_SET_SECUREBITS, PR_SET_NO_NEW_PRIVS = 24, 28, 38
PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
SECCOMP_MODE_FILTER = 2
# noroot, no_setuid_fixup, keep_caps cleared, no_cap_ambient_raise, each with its lock.
SECUREBITS_NO_ROOT = 0b11101111

_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_CAPSET = {"x86_64": 126, "aarch64": 91}
_MOUNT_SETATTR = 442
_AT_RECURSIVE = 0x8000
_CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def machine() -> str:
    """The processor family, as the tables of system call numbers name it."""
    return platform.machine()


def is_new_enough() -> bool:
    """Whether namespaces can be entered by pidfd: Linux 5.8."""
    version = re.match(r"(\d+)\.(\d+)", os.uname().release)
    return version is not None and (int(version[1]), int(version[2])) >= (5, 8)


def _check(result: int, what: str) -> int:
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def unshare(flags: int) -> None:
    _check(_libc.unshare(ctypes.c_int(flags)), f"unshare({flags:#x})")


def setns(pidfd: int, flags: int) -> None:
    """Enters namespaces of the process behind a pidfd (Linux 5.8)."""
    _check(_libc.setns(ctypes.c_int(pidfd), ctypes.c_int(flags)), f"setns({flags:#x})")


def mount(
    source: str | None, target: str, kind: str | None, flags: int = 0, data: str = ""
) -> None:
    _check(
        _libc.mount(
            os.fsencode(source) if source is not None else None,
            os.fsencode(target),
            kind.encode() if kind else None,
            ctypes.c_ulong(flags),
            data.encode() if data else None,
        ),
        f"mount {source} on {target}",
    )


def unmount(target: str) -> None:
    _check(_libc.umount2(os.fsencode(target), MNT_DETACH), f"umount {target}")


def pivot_root_here() -> None:
    """Makes the current directory the root and lets go of the old one."""
    number = _PIVOT_ROOT[machine()]
    _check(_libc.syscall(ctypes.c_long(number), b".", b"."), "pivot_root")
    unmount(".")
    os.chdir("/")


def make_read_only(target: str) -> None:
    """Makes a mount and all mounts below it read-only, without set-user-id programs."""

    class _MountAttr(ctypes.Structure):
        _fields_ = (
            ("set", ctypes.c_uint64),
            ("clear", ctypes.c_uint64),
            ("propagation", ctypes.c_uint64),
            ("userns", ctypes.c_uint64),
        )

    attributes = _MountAttr(MS_RDONLY | MS_NOSUID, 0, 0, 0)
    result = _libc.syscall(
        ctypes.c_long(_MOUNT_SETATTR),
        ctypes.c_int(-1),
        os.fsencode(target),
        ctypes.c_uint(_AT_RECURSIVE),
        ctypes.byref(attributes),
        ctypes.c_size_t(ctypes.sizeof(attributes)),
    )
    if result == -1:
        for path in _mounts_at_or_below(target):
            _remount_read_only(path)


def _mounts_at_or_below(target: str) -> list[str]:
    target = os.path.realpath(target)
    lines = Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines()
    # The kernel writes blanks in paths as \\040.
    points = [re.sub(r"\\(\d{3})", _from_octal, line.split(" ")[4]) for line in lines]
    return [point for point in points if point == target or point.startswith(target + "/")]


def _from_octal(match: re.Match[str]) -> str:
    return chr(int(match[1], 8))


def _remount_read_only(path: str) -> None:
    # A user namespace may not clear flags the host set on the source, so they are repeated.
    held = os.statvfs(path).f_flag & (MS_NOSUID | MS_NODEV | MS_NOEXEC | 1024 | 2048)
    mount(None, path, None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | held)


def prctl(option: int, value: int = 0, third: int = 0) -> None:
    numbers = [ctypes.c_ulong(number) for number in (value, third, 0, 0)]
    _check(_libc.prctl(ctypes.c_int(option), *numbers), f"prctl({option})")


def set_hostname(name: str) -> None:
    _check(_libc.sethostname(name.encode(), ctypes.c_size_t(len(name))), "sethostname")


def drop_bounding_set() -> None:
    """No capability can be had again by whatever is executed later; needs CAP_SETPCAP."""
    for capability in range(64):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError:
            break


def lock_capabilities() -> None:
    """Being root brings none, and none is handed on; needs CAP_SETPCAP."""
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    prctl(PR_SET_SECUREBITS, SECUREBITS_NO_ROOT)


def drop_capabilities() -> None:
    """Gives up every capability held now."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    _check(_libc.syscall(ctypes.c_long(_CAPSET[machine()]), header, nothing), "capset")


def collapse(start: int, length: int) -> bool:
    """Moves a range of this process's memory into huge pages (Linux 6.1); False where it cannot."""
    result: int = _libc.madvise(
        ctypes.c_void_p(start), ctypes.c_size_t(length), ctypes.c_int(_MADV_COLLAPSE)
    )
    return result == 0


def install_filter(program: bytes) -> None:
    """Puts a seccomp program (packed sock_filter records of 8 bytes) on this process."""

    class _Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))

    holder = _Program(len(program) // 8, program)
    result = _libc.prctl(
        ctypes.c_int(PR_SET_SECCOMP),
        ctypes.c_ulong(SECCOMP_MODE_FILTER),
        ctypes.byref(holder),
        ctypes.c_ulong(0),
        ctypes.c_ulong(0),
    )
    _check(result, "seccomp")
