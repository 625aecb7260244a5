"""How a repository's secrets read: never a value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from .clean import clean, plural

if TYPE_CHECKING:
    from ..acts.secrets import Rekeyed, Vetted


def text(found: Sequence[Vetted]) -> str:
    """A line a secret, worst first, and the fix below what can't be had."""
    if not found:
        return "No manifest uses a secret, and none is there to be used. docs/secrets.md tells how to begin.\n"
    lines: list[str] = []
    for one in sorted(found, key=lambda one: (not one.why, bool(one.uses))):
        sign = "✗" if one.why else "✓" if one.uses else "!"
        name = one.name or ("!vault" if one.how == "vault" else one.how)
        source = f"{one.how} {one.where}".strip() if one.name else one.where
        lines.append(f"{sign} {clean(name)}  {clean(source) or 'from nowhere'}  {_users(one)}")
        if one.why:
            lines += [f"    {clean(one.why)}", f"  next: {clean(one.hint)}"]
    bad, idle = sum(1 for one in found if one.why), sum(1 for one in found if not one.uses)
    lines.append(f"{plural(len(found), 'secret')}: {bad} can't be had, {idle} not used.")
    return "\n".join(lines) + "\n"


def _users(one: Vetted) -> str:
    if not one.uses:
        return "nobody uses it"
    refs = sorted({str(use.ref) for use in one.uses})
    more = f" and {len(refs) - 3} more" if len(refs) > 3 else ""
    return f"used by {clean(', '.join(refs[:3]))}{more} on {plural(one.hosts, 'host')}"


def rekeyed(done: Rekeyed) -> Iterator[str]:
    """What was encrypted anew, and what that doesn't mend."""
    for one in done.files:
        yield f"~ {clean(one.path)}  {plural(one.values, 'value')}"
    if not done.files:
        yield "Nothing here is encrypted that way."
        return
    yield f"{plural(len(done.files), 'file')} encrypted anew. next: git commit, git push"
    if done.commits:
        ids = ", ".join(commit.short for commit in done.commits[:5]) + (", …" if len(done.commits) > 5 else "")
        yield f"! {plural(len(done.commits), 'commit')} made these files as the old key opens them ({ids}), and so does every"
        yield "  commit that still holds one of those: if an old key is known to others, change the values themselves as well."
