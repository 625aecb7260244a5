"""What a plan says of a Site, and how releases and versions are told."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.core.model import Change, Present, State

from . import meaning


def told(change: Change) -> Iterator[str]:
    """Which addresses come, differ and go, and which of those lead nowhere from then on."""
    if change.want is None:
        return
    version = _version(change.owned.spec if change.owned is not None else {}, change.want.spec)
    if "preview" in change.want.spec:
        # Of what comes and goes by the day its addresses are not told.
        yield ", ".join((f"preview of {change.want.spec['preview']}", *version))
        return
    yield from version
    before: State = change.owned.spec if change.owned is not None else {}
    if not before.get("tree"):
        if not isinstance(change.have, Present):
            yield counted(len(meaning.files_of(change.want.spec["tree"])))
        return
    from . import serving  # the rules are read by who needs them

    changed = serving.addresses(change.key.name, before, change.want.spec)
    if changed is None:
        return
    for word, urls in (("new", changed.appear), ("changed", changed.change), ("gone", changed.vanish)):
        if urls:
            yield f"{word}: {', '.join(meaning.listed(list(urls)))}"
    if changed.lost:
        yield f"leads nowhere from then on, give it a redirect: {', '.join(meaning.listed(list(changed.lost)))}"


def _version(before: State, after: State) -> Iterator[str]:
    """Which version of what comes from outside is served from then on."""
    was, now = before.get("version"), after.get("version")
    if now:
        yield f"content {shown(was)} → {shown(now)}" if was and was != now else f"content {shown(now)}"


def shown(version: str) -> str:
    """`git:3f9c2e1`, `sha256:9b7d001`: as long as people compare."""
    how, _, id = version.partition(":")
    return f"{how}:{id[:7]}" if id else version


def counted(files: int) -> str:
    return "1 file" if files == 1 else f"{files:,} files"
