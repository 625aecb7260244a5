"""Unpacking in pieces, forwards only, with an end to everything: bytes, ratio, and what a header may make us read."""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Callable
from typing import IO

from .names import Limits
from .troubles import refused

PIECE = 64 * 1024
_HEADER = 32 * 1024
"""Bytes that one member's headers may take: a name, its times. Tar's extended headers say their own length, and a reader
would keep all of it in memory; tarfile before 3.11.10 and 3.12.6 takes the square of it in time (CVE-2024-6232)."""
_XZ_MEMORY = 256 * 1024 * 1024
"""`xz -9` takes 65 MB to unpack; a header may ask for 4 GB."""


class Unpacked:
    """What `file` holds, unpacked (`how` is gz, xz or empty for as it is), as a file that tarfile can read.

    `seek` goes forwards by reading, and back by a few bytes, as tarfile does to see whether a member is whole.
    Raises Refused when a limit is passed, or what is packed is damaged.
    """

    def __init__(
        self, file: IO[bytes], how: str, packed: int, where: str, limits: Limits, tick: Callable[[], None]
    ) -> None:
        self._file = file
        self._how = how
        self._packed = max(packed, 1)
        self._where = where
        self._limits = limits
        self._tick = tick
        self._unpacker = self._fresh()
        self._input = b""
        self._ready = b""
        self._at = 0
        self._tail = b""
        self._header = 0
        self._over = False

    @property
    def ends_in_zeros(self) -> bool:
        """Whether the last block of 512 bytes that was read is empty, as a tar's last are."""
        return len(self._tail) >= 512 and not self._tail[-512:].strip(b"\0")

    def begin_header(self) -> None:
        """From here on a member's headers are read."""
        self._header = _HEADER

    def begin_content(self) -> None:
        self._header = 0

    def tell(self) -> int:
        return self._at

    def seek(self, to: int, whence: int = 0) -> int:
        if whence != 0:
            raise refused("source-unpack", f"{self._where}: the archive is damaged")
        if to < self._at:
            back = self._at - to
            if back > len(self._tail):
                raise refused("source-unpack", f"{self._where}: the archive is damaged (it leads back)")
            self._ready = self._tail[-back:] + self._ready
            self._tail = self._tail[:-back]
            self._at = to
        while self._at < to:
            if not self._piece(min(to - self._at, PIECE)):
                break
        return self._at

    def read(self, size: int = -1) -> bytes:
        if self._header:
            self._header -= max(size, 0)
            if size < 0 or self._header <= 0:
                raise refused("source-too-big", f"{self._where}: a member's header takes more than {_HEADER:,} bytes")
        elif size < 0 or size > PIECE:
            size = PIECE
        parts = []
        while size > 0 and (piece := self._piece(size)):
            parts.append(piece)
            size -= len(piece)
        return b"".join(parts)

    def _piece(self, most: int) -> bytes:
        """At most `most` bytes, none at the end."""
        while not self._ready and self._more(most):
            pass
        piece, self._ready = self._ready[:most], self._ready[most:]
        self._at += len(piece)
        self._tail = (self._tail + piece)[-1024:]
        if self._at > self._limits.size:
            raise refused("source-too-big", f"{self._where}: more than {self._limits.size:,} bytes when it is unpacked")
        if self._at > self._limits.free and self._at > self._limits.ratio * self._packed:
            message = f"{self._where}: unpacked it is more than {self._limits.ratio} times as big"
            raise refused("source-too-big", message)
        return piece

    def _more(self, most: int) -> bool:
        """Unpack some more into `_ready`; False at the end."""
        self._tick()
        if self._over:
            return False
        if self._unpacker is None:
            self._ready = self._file.read(min(most, PIECE))
            return bool(self._ready)
        try:
            if self._unpacker.eof:
                rest = self._unpacker.unused_data or self._file.read(PIECE)
                if not rest.strip(b"\0"):
                    self._padding()
                    self._over = True
                    return False
                self._unpacker, self._input = self._fresh(), rest
            if not self._input and self._hungry():
                self._input = self._file.read(PIECE)
                if not self._input:
                    raise EOFError
            self._ready = self._unpack(min(max(most, 512), PIECE))
            return True
        except (zlib.error, lzma.LZMAError, EOFError, MemoryError) as error:
            why = "it ends too early" if isinstance(error, EOFError) else str(error) or "it takes too much memory"
            raise refused("source-unpack", f"{self._where}: the {self._how} file is damaged ({why})") from None

    def _padding(self) -> None:
        """Zeros may follow the last stream, as on tapes; anything else is another thing than was meant."""
        while rest := self._file.read(PIECE):
            self._tick()
            if rest.strip(b"\0"):
                raise zlib.error("something follows its end")

    def _hungry(self) -> bool:
        return not isinstance(self._unpacker, lzma.LZMADecompressor) or self._unpacker.needs_input

    def _unpack(self, most: int) -> bytes:
        if isinstance(self._unpacker, lzma.LZMADecompressor):
            data, self._input = self._input, b""
            return self._unpacker.decompress(data, most)
        assert self._unpacker is not None
        made = self._unpacker.decompress(self._input, most)
        self._input = self._unpacker.unconsumed_tail
        return made

    def _fresh(self) -> lzma.LZMADecompressor | zlib._Decompress | None:
        if self._how == "gz":
            return zlib.decompressobj(wbits=31)
        if self._how == "xz":
            return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
        return None


__all__ = ["PIECE", "Unpacked"]
