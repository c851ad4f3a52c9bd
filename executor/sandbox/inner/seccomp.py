"""The filter on system calls: what no PyTorch or JAX program needs, and boxes are broken with."""

import errno
import struct

from . import libc

# name: (x86_64, aarch64); -1 where the processor family has no such call.
_DENIED = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "kcmp": (312, 272), "pidfd_getfd": (438, 438), "process_madvise": (440, 440),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "mount_setattr": (442, 442), "open_tree_attr": (467, 467), "unshare": (272, 97),
    "setns": (308, 268), "bpf": (321, 280), "perf_event_open": (298, 241),
    "userfaultfd": (323, 282), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "add_key": (248, 217), "request_key": (249, 218),
    "keyctl": (250, 219), "kexec_load": (246, 104), "kexec_file_load": (320, 294),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225),
    "sethostname": (170, 161), "setdomainname": (171, 162), "acct": (163, 89),
    "quotactl": (179, 60), "quotactl_fd": (443, 443), "syslog": (103, 116),
    "vhangup": (153, 58), "iopl": (172, -1), "ioperm": (173, -1), "modify_ldt": (154, -1),
    "uselib": (134, -1), "ustat": (136, -1), "sysfs": (139, -1), "_sysctl": (156, -1),
    "nfsservctl": (180, 42), "settimeofday": (164, 170), "clock_settime": (227, 112),
    "clock_adjtime": (305, 266), "adjtimex": (159, 171), "lookup_dcookie": (212, 18),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262), "fanotify_mark": (301, 263), "personality": (135, 92),
    "migrate_pages": (256, 238), "move_pages": (317, 239),
    # Memory that outlives its mapping would escape a watcher of resident pages.
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "shmget": (29, 194),
    "shmat": (30, 196), "msgget": (68, 186), "semget": (64, 190), "mq_open": (240, 180),
}  # fmt: skip
_CLONE, _CLONE3 = (56, 220), (435, 435)
_SOCKET, _MMAP, _PRLIMIT, _FCNTL = (41, 198), (9, 222), (302, 261), (72, 25)
_SET_LEASE = 1024
_ARCH = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_X32_BIT = 0x40000000
_UNIX, _INET, _INET6 = 1, 2, 10
_MAP_SHARED_ANONYMOUS = 0x21
_NAMESPACES = (
    libc.NEWNS | libc.NEWCGROUP | libc.NEWUTS | libc.NEWIPC
    | libc.NEWUSER | libc.NEWPID | libc.NEWNET
)  # fmt: skip

_LOAD, _AND, _RETURN = 0x20, 0x54, 0x06
_IF_EQUAL, _IF_GREATER_EQUAL, _IF_BITS = 0x15, 0x35, 0x45
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER_AT, _ARCH_AT, _ARGUMENTS_AT = 0, 4, 16


def supported() -> bool:
    """Whether the tables know this processor family."""
    return libc.machine() in _ARCH


def program(*, shared_memory: bool) -> bytes:
    """The filter as packed BPF; without `shared_memory`, anonymous shared mappings are refused.

    They are refused where memory is only watched, not held by a control group: pages of such a
    mapping can be dropped from the resident set and still be held. CUDA does not start without.
    """
    column, arch = _ARCH[libc.machine()]
    code = [
        _op(_LOAD, _ARCH_AT),
        _op(_IF_EQUAL, arch, 1, 0),
        _op(_RETURN, _KILL),
        _op(_LOAD, _NUMBER_AT),
        _op(_IF_GREATER_EQUAL, _X32_BIT, 0, 1),
        _refuse(errno.ENOSYS),
    ]
    for numbers in _DENIED.values():
        if numbers[column] >= 0:
            code += [_op(_IF_EQUAL, numbers[column], 0, 1), _refuse(errno.EPERM)]
    # The flags of clone3 lie in memory, out of a filter's reach; the C library then uses clone.
    code += [_op(_IF_EQUAL, _CLONE3[column], 0, 1), _refuse(errno.ENOSYS)]
    code += _guard(_CLONE[column], 0, [_op(_IF_BITS, _NAMESPACES, 0, 1), _refuse(errno.EPERM)])
    # Limits of oneself only: as an ordinary user, process 1 of the box has the payload's number.
    code += _guard(_PRLIMIT[column], 0, [_op(_IF_EQUAL, 0, 1, 0), _refuse(errno.EPERM)])
    # A lease on a file that all see, which its owner may take, makes everyone else wait.
    code += _guard(_FCNTL[column], 1, [_op(_IF_EQUAL, _SET_LEASE, 0, 1), _refuse(errno.EPERM)])
    code += _guard(_SOCKET[column], 0, _only_families(_UNIX, _INET, _INET6))
    if not shared_memory:
        code += _guard(_MMAP[column], 3, _no_shared_anonymous())
    return b"".join([*code, _op(_RETURN, _ALLOW)])


def _op(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _refuse(number: int) -> bytes:
    return _op(_RETURN, _ERRNO | number)


def _guard(number: int, argument: int, body: list[bytes]) -> list[bytes]:
    """Runs `body` with the low half of one argument loaded, for one system call only."""
    inner = [_op(_LOAD, _ARGUMENTS_AT + 8 * argument), *body, _op(_LOAD, _NUMBER_AT)]
    return [_op(_IF_EQUAL, number, 0, len(inner)), *inner]


def _only_families(*families: int) -> list[bytes]:
    count = len(families)
    tests = [_op(_IF_EQUAL, family, count - at, 0) for at, family in enumerate(families)]
    return [*tests, _refuse(errno.EAFNOSUPPORT)]


def _no_shared_anonymous() -> list[bytes]:
    return [
        _op(_AND, _MAP_SHARED_ANONYMOUS),
        _op(_IF_EQUAL, _MAP_SHARED_ANONYMOUS, 0, 1),
        _refuse(errno.EPERM),
    ]
