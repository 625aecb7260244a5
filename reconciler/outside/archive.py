"""Archives, unpacked as if they came from an enemy: into blobs, never onto a disk.

The digest was compared before this; that makes the bytes the ones that somebody reviewed, not harmless. What it is (tar,
gzip, xz, zip) is told by the first bytes, not by the name. Anything but plain files and folders is refused, and so is
all of the archive: a site without one of its files is another site.
"""

from __future__ import annotations

import io
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO

from .names import Limits, Names
from .packed import PIECE, Unpacked
from .troubles import on_disk, refused

Write = Callable[[IO[bytes]], str]
"""Writes a blob from an open file, and gives its id."""

_TAR_KINDS = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a named pipe",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
}
_ZIP_KINDS = {
    0o120000: "a symbolic link",
    0o020000: "a device",
    0o060000: "a device",
    0o010000: "a named pipe",
    0o140000: "a socket",
}
_DIRECTORY = 64 * 1024 * 1024
"""Bytes of a zip's directory of members: all of it is read into memory, at about ten times its size."""


def unpack(
    file: IO[bytes], where: str, folder: str, limits: Limits, write: Write, tick: Callable[[], None]
) -> Mapping[str, str]:
    """Path → blob id of the archive's files in `folder` (all when empty), sorted. `where` names the archive in what is
    said. `tick` is called now and then, and may raise. Raises Refused with the member that is wrong."""
    size = os.fstat(file.fileno()).st_size
    head = file.read(512)
    file.seek(0)
    names = Names(where, limits)
    start = folder + "/" if folder else ""
    found: dict[str, str] = {}
    with on_disk(where):
        if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            members = _zip(file, size, names, limits, tick)
        else:
            how = "gz" if head.startswith(b"\x1f\x8b") else "xz" if head.startswith(b"\xfd7zXZ\x00") else ""
            members = _tar(Unpacked(file, how, size, where, limits, tick), names)
        for path, content in members:
            # What isn't asked for is looked at all the same: an archive is taken whole or not at all.
            if path.startswith(start):
                found[path.removeprefix(start)] = write(content)
            else:
                while content.read(PIECE):
                    pass
    if not found:
        raise refused("source-folder", f"{where}: there are no files in {folder or 'it'}")
    return dict(sorted(found.items()))


@contextmanager
def _said(where: str) -> Iterator[None]:
    """Turn what the readers of archives raise into Refused."""
    try:
        yield
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, UnicodeError) as error:
        raise refused("source-unpack", f"{where}: it is no archive, or a damaged one ({error})") from None
    except (NotImplementedError, RuntimeError, ValueError, OverflowError, struct.error) as error:
        raise refused("source-unpack", f"{where}: the archive is damaged ({error})") from None


class _Counted(io.RawIOBase):
    """A member's content, counted as it is read."""

    def __init__(self, file: IO[bytes], raw: str, names: Names, tick: Callable[[], None], packed: int = 0) -> None:
        self._file = file
        self._raw = raw
        self._names = names
        self._tick = tick
        self._packed = packed
        self.size = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        self._tick()
        with _said(self._names.where):
            piece = self._file.read(PIECE if size < 0 else min(size, PIECE))
        self.size += len(piece)
        self._names.took(self._raw, len(piece))
        limits = self._names.limits
        if self._packed and self.size > limits.free and self.size > limits.ratio * self._packed:
            raise refused(
                "source-too-big",
                f"{self._names.where}: {self._raw!r} unpacks to more than {limits.ratio} times its size",
            )
        return piece


# ---------------------------------------------------------------- tar


def _tar(stream: Unpacked, names: Names) -> Iterator[tuple[str, IO[bytes]]]:
    with _said(names.where):
        stream.begin_header()
        with tarfile.TarFile(fileobj=stream, encoding="utf-8", errors="surrogateescape") as tar:  # type: ignore[arg-type]
            while (member := _next(tar, stream)) is not None:
                tar.members.clear()  # type: ignore[attr-defined]  # it keeps them all, which nobody asks for
                if member.issparse():
                    names.refuse(member.name, "a sparse file")
                if not member.isreg() and not member.isdir():
                    names.refuse(member.name, _TAR_KINDS.get(member.type, f"of an unknown type ({member.type!r})"))
                path = names.member(member.name, folder=member.isdir())
                if member.isreg():
                    yield path, _whole(tar, member, names)
            # Tar ends with blocks of zeros. Anything else after it is a second archive, or a header that is damaged.
            while piece := stream.read(PIECE):
                if piece.strip(b"\0"):
                    message = f"{names.where}: something follows the end of the tar, or a header is damaged"
                    raise refused("source-unpack", message)
            if not stream.ends_in_zeros:
                raise refused("source-unpack", f"{names.where}: the tar ends too early")


def _next(tar: tarfile.TarFile, stream: Unpacked) -> tarfile.TarInfo | None:
    stream.begin_header()
    member = tar.next()
    stream.begin_content()
    return member


def _whole(tar: tarfile.TarFile, member: tarfile.TarInfo, names: Names) -> IO[bytes]:
    content = tar.extractfile(member)
    assert content is not None
    return _Counted(content, member.name, names, lambda: None)  # type: ignore[return-value]


# ---------------------------------------------------------------- zip


def _zip(
    file: IO[bytes], size: int, names: Names, limits: Limits, tick: Callable[[], None]
) -> Iterator[tuple[str, IO[bytes]]]:
    _look_at_end(file, size, names.where, limits)
    with _said(names.where), zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            raw = _zip_name(member)
            kind = (member.external_attr >> 16) & 0o170000
            if kind in _ZIP_KINDS:
                names.refuse(raw, _ZIP_KINDS[kind])
            if member.flag_bits & 0x1 or member.flag_bits & 0x40:
                raise refused("source-unpack", f"{names.where}: {raw!r} is encrypted")
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise refused("source-unpack", f"{names.where}: {raw!r} is packed by method {member.compress_type}")
            folder = raw.endswith("/") or kind == 0o040000
            path = names.member(raw, folder=folder)
            if folder and member.file_size:
                names.refuse(raw, "a folder with content")
            if not folder:
                with archive.open(member) as content:
                    yield path, _Counted(content, raw, names, tick, max(member.compress_size, 1))  # type: ignore[misc]


def _zip_name(member: zipfile.ZipInfo) -> str:
    """The name as its bytes say it; what isn't UTF-8 keeps a surrogate, and is refused with the other names."""
    name = member.orig_filename
    if member.flag_bits & 0x800:
        return name
    return name.encode("cp437", "surrogateescape").decode("utf-8", "surrogateescape")


def _look_at_end(file: IO[bytes], size: int, where: str, limits: Limits) -> None:
    """The end of a zip says how long its directory is (APPNOTE 4.3.14 to 4.3.16): before anything reads all of it."""
    file.seek(max(0, size - 65_557))
    tail = file.read()
    file.seek(0)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < 22:
        raise refused("source-unpack", f"{where}: the zip is damaged (its end is missing)")
    count, length = struct.unpack_from("<HL", tail, at + 10)
    # What the longer form says counts for zipfile wherever there is one, whatever the short form says.
    if at >= 20 and tail[at - 20 : at - 16] == b"PK\x06\x07":
        (place,) = struct.unpack_from("<Q", tail, at - 12)
        file.seek(min(place, size))
        end = file.read(56)
        file.seek(0)
        if len(end) == 56:
            count, length = struct.unpack_from("<QQ", end, 32)
    if length > _DIRECTORY or count > limits.files:
        raise refused("source-too-big", f"{where}: the zip has {count:,} members, and a directory of {length:,} bytes")


__all__ = ["unpack"]
