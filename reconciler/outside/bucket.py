"""A bucket (s3:// and what else fsspec knows): what it lists, and of that what changed since last time.

The only home of fsspec, and imported when a bucket is asked: it is an extra. A bucket has no version of its own, so the
listing is one: names, sizes and what tells two contents apart (an ETag, else the time). It is listed again after the
reading, and what moved meanwhile is read again: never half of an old and half of a new build.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..core.model import Json
from ..core.problem import Refused
from ..repo import Content
from ..repo.troubles import redacted
from .names import Limits, Names
from .spec import BucketSource
from .troubles import refused

_BATCH = 64
_SMALL = 1024 * 1024
"""Objects up to this size are asked for many at once."""
_TRIES = 3
_STRONG = ("ETag", "etag", "md5Hash", "content_md5", "checksum", "generation")
_WEAK = ("mtime", "LastModified", "last_modified", "updated", "created")


@dataclass(frozen=True, slots=True)
class Listing:
    """Path → size and tag, sorted by path."""

    entries: Mapping[str, tuple[int, str]]

    @property
    def digest(self) -> str:
        told = json.dumps(self.json(), ensure_ascii=True, sort_keys=True).encode()
        return "listing:" + hashlib.sha256(told).hexdigest()

    def json(self) -> dict[str, Json]:
        return {path: [size, tag] for path, (size, tag) in self.entries.items()}

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Listing:
        return cls({path: (int(size), str(tag)) for path, (size, tag) in told.items()})


class Bucket:
    """One place of `source`. Raises Refused with what is wrong there."""

    def __init__(self, source: BucketSource, limits: Limits, content: Content, tick: Callable[[], None]) -> None:
        self._url = f"{source.bucket}/{source.folder}" if source.folder else source.bucket
        self._where = redacted(self._url)
        self._limits = limits
        self._content = content
        self._tick = tick
        self._names: dict[str, str] = {}
        with self._told():
            self._fs, self._root = _opened(self._url, self._where, limits)

    def fetch(self, before: Listing | None, had: Mapping[str, str]) -> tuple[Mapping[str, str], Listing] | None:
        """Path → blob id and the listing; None when it lists what it did `before`, when its files were `had`."""
        listing = self._listed()
        if before is not None and listing.digest == before.digest:
            return None
        known = (
            {(path, *before.entries[path]): id for path, id in had.items() if path in before.entries} if before else {}
        )
        for _ in range(_TRIES):
            wanted = [path for path, entry in listing.entries.items() if (path, *entry) not in known]
            for path, id in self._fetched(wanted, listing):
                known[(path, *listing.entries[path])] = id
            again = self._listed()
            if again.digest == listing.digest:
                return {path: known[(path, *entry)] for path, entry in listing.entries.items()}, listing
            listing = again
        raise refused(
            "source-unreachable", f"{self._where}: it changes faster than it can be read", "Ask again when it is still."
        )

    def _listed(self) -> Listing:
        self._tick()
        with self._told():
            self._fs.invalidate_cache()
            found = self._fs.find(self._root, detail=True)
        names = Names(self._where, self._limits)
        entries: dict[str, tuple[int, str]] = {}
        self._names.clear()
        for name, facts in sorted(found.items()):
            inside = str(name).removeprefix(self._root).lstrip("/") if str(name) != self._root else ""
            size = int(facts.get("size") or 0)
            if size == 0 and (not inside or inside.endswith("/")):
                continue  # what consoles make to show a folder
            if not inside:
                raise refused("source-folder", f"{self._where} is one object, not a folder of them")
            if facts.get("islink") or (_local(self._fs) and os.path.realpath(name) != _beside(self._root, inside)):
                names.refuse(inside, "a symbolic link, or lies behind one")
            if facts.get("type") not in ("file", None):
                names.refuse(inside, f"no file but {facts.get('type')}")
            path = names.member(inside)
            names.took(inside, size)
            entries[path] = (size, _tag(facts))
            self._names[path] = str(name)
        if not entries:
            raise refused("source-folder", f"{self._where}: there are no files")
        return Listing(entries)

    def _fetched(self, paths: Sequence[str], listing: Listing) -> Iterator[tuple[str, str]]:
        small = [path for path in paths if listing.entries[path][0] <= _SMALL]
        for start in range(0, len(small), _BATCH):
            self._tick()
            batch = small[start : start + _BATCH]
            with self._told():
                # Not `cat`, which takes a name with * or [ for a pattern: `**` would bring all of the bucket at once.
                came = self._fs.cat_ranges([self._names[path] for path in batch], None, None, on_error="return")
            for path, data in zip(batch, came, strict=True):
                if isinstance(data, bytes) and len(data) <= _SMALL:
                    yield path, self._content.write(data)
                elif not isinstance(data, FileNotFoundError):
                    raise self._refused(data if isinstance(data, Exception) else None, path)
                else:  # it went away since: the next listing says so
                    yield path, ""
        for path in paths:
            if listing.entries[path][0] > _SMALL:
                with self._told(), self._fs.open(self._names[path], "rb", cache_type="none") as file:
                    yield (
                        path,
                        self._content.write_from(_Ticking(file, self._tick, listing.entries[path][0], self._where)),
                    )

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Each reader raises errors of its own library, without a common ancestor."""
        try:
            yield
        except (Refused, KeyboardInterrupt):
            raise
        except ImportError as error:
            raise refused("source-extra", f"{self._where}: {redacted(str(error))}") from error
        except Exception as error:
            raise self._refused(error) from error

    def _refused(self, error: Exception | None, path: str = "") -> Refused:
        why = redacted(str(error) or type(error).__name__)[:300] if error is not None else "it is not what was listed"
        return refused("source-unreachable", f"{self._where}{': ' + repr(path) if path else ''}: {why}")


class _Ticking(io.RawIOBase):
    """An object that is read in pieces; it ends in time, and has no more than was listed."""

    def __init__(self, file: Any, tick: Callable[[], None], size: int, where: str) -> None:
        self._file = file
        self._tick = tick
        self._left = size
        self._where = where

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        self._tick()
        piece = bytes(self._file.read(min(size, _SMALL) if size > 0 else _SMALL))
        self._left -= len(piece)
        if self._left < 0:
            raise refused("source-unreachable", f"{self._where}: an object is larger than was listed")
        return piece


def _opened(url: str, where: str, limits: Limits) -> tuple[Any, str]:
    try:
        import fsspec
    except ImportError:
        raise refused("source-extra", f"{where}: fsspec is not installed") from None
    options: dict[str, Any] = {"skip_instance_cache": True, "use_listings_cache": False}
    if url.startswith(("s3:", "s3a:")):
        waits = {"connect_timeout": 10, "read_timeout": min(30.0, limits.seconds), "retries": {"max_attempts": 2}}
        options["config_kwargs"] = waits
    try:
        fs, root = fsspec.core.url_to_fs(url, **options)
    except ValueError as error:  # a protocol that it doesn't know
        raise refused("source-extra", f"{where}: {redacted(str(error))}") from None
    return fs, str(root).rstrip("/")


def _tag(facts: Mapping[str, Any]) -> str:
    for name in _STRONG:
        if facts.get(name):
            return f"{name}:{facts[name]}"
    return " ".join(f"{name}:{facts[name]}" for name in _WEAK if facts.get(name) is not None)


def _local(fs: Any) -> bool:
    protocol = fs.protocol
    return bool({"file", "local"} & {protocol} if isinstance(protocol, str) else {"file", "local"} & set(protocol))


def _beside(root: str, inside: str) -> str:
    return os.path.join(os.path.realpath(root), inside)


__all__ = ["Bucket", "Listing"]
