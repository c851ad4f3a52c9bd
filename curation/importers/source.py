"""Files as importers see them: on disk, in a zip, or uploaded, each with what lies beside it."""

import io
import os
import re
import stat
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Protocol
from urllib.parse import quote

# Letters that a file name in the sandbox's work folder may have.
PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
# Larger data files do not belong beside a small program.
MOST_ATTACHMENT_BYTES = 16 * 1024 * 1024
# Past these a zip is no collection of programs: the file on disk stays small, its content does not.
MOST_MEMBERS = 20_000
MOST_RATIO = 200
_SMALL = 1024 * 1024
_CHUNK = 1 << 16
# A zip stays on disk: its own size is nobody's concern.
_ANY_SIZE = 1 << 40
ZIP_MAGIC = b"PK\x03\x04"
# Nobody means these when they bring a folder.
_SKIPPED = re.compile(r"(?:^|/)(?:\.|__pycache__|__MACOSX)")


class Unreadable(Exception):
    """Why a file could not be read; the text is for a person."""


class Tree(Protocol):
    """Files under relative names with slashes."""

    def names(self) -> Iterable[str]: ...

    def has(self, name: str) -> bool: ...

    def size(self, name: str) -> int:
        """In bytes. Raises Unreadable."""

    def open(self, name: str, limit: int) -> IO[bytes]:
        """A stream that can seek. Raises Unreadable; also when it holds more than `limit`."""


@dataclass(frozen=True, slots=True)
class DiskTree:
    """A folder on this machine."""

    root: Path

    def names(self) -> Iterator[str]:
        for file in sorted(self.root.rglob("*")):
            if file.is_file():
                yield file.relative_to(self.root).as_posix()

    def has(self, name: str) -> bool:
        return os.path.isfile(self.root / name)  # noqa: PTH113 (Path raises for long names)

    def size(self, name: str) -> int:
        try:
            about = (self.root / name).stat()
        except (OSError, ValueError) as error:
            raise Unreadable(_cannot_be_read(error)) from None
        if not stat.S_ISREG(about.st_mode):
            raise Unreadable("This is not a plain file.")
        return about.st_size

    def open(self, name: str, limit: int) -> IO[bytes]:
        _check_size(self.size(name), limit)
        try:
            return (self.root / name).open("rb")
        except OSError as error:
            raise Unreadable(_cannot_be_read(error)) from None


@dataclass(frozen=True, slots=True)
class FileTree:
    """Files of this machine under names of their own, such as uploads."""

    files: Mapping[str, Path]

    def names(self) -> Iterable[str]:
        return self.files

    def has(self, name: str) -> bool:
        return name in self.files

    def size(self, name: str) -> int:
        path = self.files[name]
        return DiskTree(path.parent).size(path.name)

    def open(self, name: str, limit: int) -> IO[bytes]:
        path = self.files[name]
        return DiskTree(path.parent).open(path.name, limit)


@dataclass(frozen=True, slots=True)
class MemoryTree:
    """Files whose content is at hand."""

    files: Mapping[str, bytes]

    def names(self) -> Iterable[str]:
        return self.files

    def has(self, name: str) -> bool:
        return name in self.files

    def size(self, name: str) -> int:
        return len(self.files[name])

    def open(self, name: str, limit: int) -> IO[bytes]:
        _check_size(self.size(name), limit)
        return io.BytesIO(self.files[name])


@dataclass(frozen=True, slots=True)
class ZipTree:
    """The members of a zip. What it says about sizes is not trusted: bytes are counted."""

    archive: zipfile.ZipFile
    members: Mapping[str, zipfile.ZipInfo]

    def names(self) -> Iterable[str]:
        return self.members

    def has(self, name: str) -> bool:
        return name in self.members

    def size(self, name: str) -> int:
        return self.members[name].file_size

    def open(self, name: str, limit: int) -> IO[bytes]:
        member = self.members[name]
        _check_size(member.file_size, limit)
        if member.file_size > _SMALL and member.file_size > MOST_RATIO * member.compress_size:
            raise Unreadable(
                f"It unpacks to {member.file_size / 2**20:.0f} MB, more than {MOST_RATIO} times "
                "its size in the zip. Bring it unpacked if that is right."
            )
        # A member's own stream seeks back by unpacking from the start each time.
        unpacked: IO[bytes] = tempfile.SpooledTemporaryFile(_SMALL)  # noqa: SIM115
        try:
            with self.archive.open(member) as packed:
                left = min(limit, member.file_size)
                while chunk := packed.read(min(_CHUNK, left + 1)):
                    left -= len(chunk)
                    if left < 0:
                        raise Unreadable("It unpacks to more than the zip says.")
                    unpacked.write(chunk)
        except Unreadable:
            unpacked.close()
            raise
        except Exception as error:  # zipfile and zlib raise a dozen kinds for broken members
            unpacked.close()
            raise Unreadable(f"It cannot be unpacked: {_first_line(error)}.") from None
        unpacked.seek(0)
        return unpacked


def open_zip(file: IO[bytes] | Path) -> ZipTree:
    """The files of a zip; what leads out of it, or is encrypted, is said when it is opened.

    Raises:
        Unreadable: it is no whole zip, or holds too many files.
    """
    try:
        archive = zipfile.ZipFile(file)
    except Exception as error:  # as above
        raise Unreadable(f"This is no whole zip: {_first_line(error)}.") from None
    infos = [info for info in archive.infolist() if not info.is_dir()]
    if len(infos) > MOST_MEMBERS:
        raise Unreadable(f"The zip holds {len(infos)} files; at most {MOST_MEMBERS} are read.")
    return ZipTree(archive, {info.filename: info for info in sorted(infos, key=_name_of)})


def _name_of(info: zipfile.ZipInfo) -> str:
    return info.filename


class Source(Protocol):
    """One file that a person brought."""

    @property
    def name(self) -> str:
        """What reports call it."""

    @property
    def asked(self) -> bool:
        """Whether the person named this very file, and not a folder or zip that holds it."""

    def size(self) -> int: ...

    def open(self, limit: int) -> IO[bytes]:
        """The content, as a stream that can seek.

        Raises:
            Unreadable: it is larger than `limit` bytes, or cannot be read.
        """

    def attachment(self, example_id: str, name: str) -> bytes | None:
        """The data file that the example `example_id` of this file names, if it came along.

        Raises:
            Unreadable: it is there, and too large or broken.
        """

    def beside(self, name: str) -> "Source | None":
        """The file of that name in the same folder."""


@dataclass(frozen=True, slots=True)
class TreeSource:
    """A file of a tree."""

    tree: Tree
    path: str
    name: str
    asked: bool = True

    def size(self) -> int:
        return self.tree.size(self.path)

    def open(self, limit: int) -> IO[bytes]:
        return self.tree.open(self.path, limit)

    def read(self, limit: int) -> bytes:
        """The whole content. Raises Unreadable."""
        with self.open(limit) as file:
            return file.read()

    def attachment(self, example_id: str, name: str) -> bytes | None:
        """Looked for as EXAMPLE_ID/NAME beside the file, in FILE-files.zip, then as NAME."""
        if not PLAIN_NAME.fullmatch(name):
            return None
        folder = folder_of(example_id)
        archive = f"{PurePosixPath(self.path).stem}-files.zip"
        own = self.beside(f"{folder}/{name}")
        if own is not None:
            return own.read(MOST_ATTACHMENT_BYTES)
        packed = self.beside(archive)
        content = _from_zip(packed, f"{folder}/{name}") if packed else None
        if content is not None:
            return content
        shared = self.beside(name)
        return shared.read(MOST_ATTACHMENT_BYTES) if shared else None

    def beside(self, name: str) -> "TreeSource | None":
        path = (PurePosixPath(self.path).parent / name).as_posix()
        if not self.tree.has(path):
            return None
        shown = (PurePosixPath(self.name).parent / name).as_posix()
        return TreeSource(self.tree, path, shown, self.asked)


def PathSource(path: Path, name: str, *, asked: bool = True) -> TreeSource:  # noqa: N802
    """A file on this machine. `name` is what reports call it."""
    return TreeSource(DiskTree(path.parent), path.name, printable(name), asked)


def printable(name: str) -> str:
    """A file's name for reports; on disk it may be no text at all."""
    return name.encode(errors="replace").decode()


def MemorySource(  # noqa: N802
    name: str, content: bytes, beside: Mapping[str, bytes] | None = None
) -> TreeSource:
    """A file whose content is at hand, with the data files that came along by name."""
    return TreeSource(MemoryTree({**(beside or {}), name: content}), name, printable(name))


def folder_of(example_id: str) -> str:
    """The folder for an example's data files: its id, made safe as one part of a path."""
    name = quote(example_id, safe=" ", errors="replace")
    return name.replace(".", "%2E") if name.startswith(".") else name


def _from_zip(archive: TreeSource, member: str) -> bytes | None:
    try:
        with archive.open(_ANY_SIZE) as file:
            tree = open_zip(file)
            if not tree.has(member):
                return None
            with tree.open(member, MOST_ATTACHMENT_BYTES) as content:
                return content.read()
    except Unreadable as error:
        raise Unreadable(f"{PurePosixPath(archive.path).name}: {error}") from None


def too_large(size: int, limit: int) -> str:
    megabyte = 1024 * 1024
    return (
        f"It is larger than may be read ({size / megabyte:.1f} MB, the limit is "
        f"{limit / megabyte:.0f} MB). Split it, or raise T2J_IMPORT_BYTES."
    )


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise Unreadable(too_large(size, limit))


def _cannot_be_read(error: Exception) -> str:
    return f"It cannot be read: {getattr(error, 'strerror', None) or error}."


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200].rstrip(".")


@dataclass(frozen=True, slots=True)
class BrokenSource:
    """A file that cannot even be opened; reading it says why."""

    name: str
    reason: str
    asked: bool = True

    def size(self) -> int:
        raise Unreadable(self.reason)

    def open(self, limit: int) -> IO[bytes]:
        raise Unreadable(self.reason)

    def attachment(self, example_id: str, name: str) -> bytes | None:
        return None

    def beside(self, name: str) -> None:
        return None


def find_sources(paths: Iterable[Path]) -> Iterator[Source]:
    """The files behind `paths`: themselves, and every file within folders and zips, sorted."""
    for path in paths:
        if path.is_dir():
            yield from sources_of(DiskTree(path), str(path))
        else:
            yield from unpacked(PathSource(path, str(path)))


def sources_of(tree: Tree, called: str = "") -> Iterator[Source]:
    """Every file of a tree that is not hidden; zips are looked into."""
    for name in tree.names():
        if _SKIPPED.search(name) or _is_data_of(tree, name):
            continue
        shown = f"{called}/{name}" if called else name
        yield from unpacked(TreeSource(tree, name, printable(shown), asked=False))


def unpacked(source: TreeSource) -> Iterator[Source]:
    """The source itself, or what lies within where it is a zip."""
    if not _is_zip(source):
        yield source
        return
    try:
        file = source.open(_ANY_SIZE)
        tree = open_zip(file)
    except Unreadable as refusal:
        yield BrokenSource(source.name, str(refusal))
        return
    with file, tree.archive:
        for name in tree.names():
            yield from _member(tree, name, printable(f"{source.name}/{name}"))


def _member(tree: ZipTree, name: str, shown: str) -> Iterator[Source]:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name:
        yield BrokenSource(shown, "Its name leads out of the zip; it was not read.")
    elif tree.members[name].flag_bits & 1:
        yield BrokenSource(shown, "It is encrypted. Bring it without a password.")
    elif not _SKIPPED.search(name) and not _is_data_of(tree, name):
        yield TreeSource(tree, name, shown, asked=False)


def _is_data_of(tree: Tree, name: str) -> bool:
    """Whether this zip holds the data files of the file beside it."""
    return name.endswith("-files.zip") and tree.has(name.removesuffix("-files.zip") + ".json")


def _is_zip(source: TreeSource) -> bool:
    """By content; within folders by name, too, for arrays (.npz) and models are zips as well."""
    if not source.asked and not source.path.lower().endswith(".zip"):
        return False
    try:
        with source.open(_ANY_SIZE) as file:
            return file.read(len(ZIP_MAGIC)) == ZIP_MAGIC
    except Unreadable:
        return False
