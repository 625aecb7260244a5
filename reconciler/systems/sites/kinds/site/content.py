"""Where a Site's files come from: a folder of the repository, or what was brought from outside of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from reconciler.core.kind import Finding, Resolving
from reconciler.core.model import State
from reconciler.core.outside import ELSEWHERE


@dataclass(frozen=True, kw_only=True, slots=True)
class Content:
    """The files, and how to read one."""

    files: Mapping[str, str]
    """Path → blob id."""
    read: Callable[[str], bytes]
    sizes: Callable[[], Mapping[str, int]]
    folder: str = ""
    """Of the repository; empty for what comes from outside, which has no place there."""
    version: str = ""
    """Of what comes from outside."""

    def path(self, file: str) -> str:
        """What a file is called in a problem: its path in the repository, or within what was brought."""
        return f"{self.folder.rstrip('/')}/{file}" if self.folder else file


def content_of(spec: State, ask: Resolving) -> Content:
    """May raise Unresolved."""
    said = spec["from"]
    if outside(said):
        brought = ask.outside(said)
        return Content(
            files=brought.files,
            read=brought.read,
            sizes=lambda: {path: brought.size(path) for path in brought.files},
            version=brought.version,
        )
    folder = said["folder"]
    return Content(
        files=ask.tree(folder),
        read=lambda path: ask.file(f"{folder}/{path}")[0],
        sizes=lambda: ask.sizes(folder),
        folder=folder,
    )


def outside(said: State) -> bool:
    """Whether it isn't a folder of the manifest's own commit."""
    return "ref" in said or any(place in said for place in ELSEWHERE)


def wrong(said: State) -> Iterator[Finding]:
    """What is wrong with `from` as a whole."""
    named = [place for place in ELSEWHERE if place in said]
    if len(named) > 1:
        yield _finding(f"{' and '.join(named)}: content comes from one place", named[1])
        return
    if not named and "folder" not in said:
        yield _finding("it names no place")
        return
    place = named[0] if named else "folder"
    for field in said:
        if field not in (place, *ELSEWHERE.get(place, ("ref",))):
            yield _finding(f"{field} has no place beside {place}", field)
    if place == "archive" and "sha256" not in said:
        yield _finding("an archive needs its sha256: what is served is what somebody reviewed")


def _finding(message: str, *field: str) -> Finding:
    return Finding(
        code="site-from",
        message=message,
        field=("from", *field),
        hint="{folder}, {folder, ref}, {git, ref, folder}, {archive, sha256, folder} or {bucket, folder}",
    )


__all__ = ["Content", "content_of", "outside", "wrong"]
