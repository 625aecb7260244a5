"""Files of a site that lie outside the repository: fetched once, when the preview starts, and never again by itself.

They are asked for as the daemon asks (reconciler/outside): the same places, limits and refusals, by the settings of this
machine. What a source came to at an earlier start is served where it can't be asked now, and that is said.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from reconciler.clock import rfc3339
from reconciler.core.model import State
from reconciler.core.outside import ELSEWHERE, Resolved
from reconciler.core.problem import Problem, Refused
from reconciler.manifests.documents import Entry
from reconciler.outside.once import ByHand
from reconciler.outside.troubles import CODES as SOURCES
from reconciler.outside.troubles import with_what_holds
from reconciler.repo.troubles import redacted
from reconciler.settings import load
from reconciler.systems.sites.kinds.site.content import outside

from .content import Content, Fetched, as_fetched
from .troubles import CODES

AGAIN = "Start the preview again when it answers; curl shows what a server says"
OTHERWISE = "or preview a checkout or a build of them: trueup site preview FOLDER"

Say = Callable[[str], None]
Warn = Callable[[Problem], None]


@dataclass
class Fetching:
    """`say` is told what is asked, and what came; `warn` what could not be asked, where an earlier answer holds."""

    own: Path | None = None
    """The checkout that the Site is of: where its own repository at another ref is looked for."""
    say: Say = lambda words: None
    warn: Warn = lambda problem: None
    known: ByHand | None = None
    """What is known of sources; None until one was asked."""
    _source: State = field(default_factory=dict)
    """The one that was asked."""
    _fetched: Fetched | None = None

    def begins(self, entry: Entry) -> bool:
        """Ask the Site's source, if its files are outside and none was asked yet; whether that was done. Raises Refused
        with why it can't be had, at the manifest's line."""
        source = entry.own.get("from") or {}
        if self._fetched is not None or not outside(source):
            return False
        try:
            self._fetched = self._ask(source)
        except Refused as refused:
            raise Refused(*(_at(entry, problem) for problem in refused.problems)) from None
        self._source = dict(source)
        return True

    def content(self, entry: Entry) -> Content | None:
        """What the Site's source came to at the start; None for files of the repository. Raises Refused where the
        manifest names another one since."""
        source = entry.own.get("from") or {}
        if not outside(source):
            return None
        if self._fetched is None or source != self._source:
            said = ", ".join(f"{name}: {value}" for name, value in source.items())
            message = f"Site {entry.name} takes its files from elsewhere since ({said})"
            problem = Problem(code="preview-elsewhere", message=message, hint=CODES["preview-elsewhere"].cure)
            raise Refused(replace(problem, path=entry.doc.path, line=_line(entry)))
        return as_fetched(self._fetched)

    def _ask(self, source: State) -> Fetched:
        known = self.known = ByHand(load(), self.own)
        place = _place(source)
        before = None
        with suppress(Refused):  # what is no source is told when it is asked
            before = known.known(source)
        self.say(f"asking {place}")
        try:
            now = known.ask(source)
        except Refused:
            trouble = known.trouble(source)
            if before is None or trouble is None:
                raise
            self.warn(replace(with_what_holds(trouble, before), severity="warning", hint=AGAIN))
            now = before
        known.hold(source, now)
        fetched = Fetched(known, now, f"{now.digest} of {place}")
        self.say(_came(fetched, before))
        return fetched


def _came(fetched: Fetched, before: Resolved | None) -> str:
    now = fetched.resolved
    size = sum(map(fetched.size, now.files))
    since = f"fetched at {rfc3339(before.at, whole=True)}" if before == now else "fetched now"
    files = "1 file" if len(now.files) == 1 else f"{len(now.files):,} files"
    return f"{now.digest}, {since}: {files}, {size:,} bytes. It is not asked again until the next start."


def _place(source: State) -> str:
    named = next((source[name] for name in ELSEWHERE if name in source), None)
    place = redacted(str(named)) if named is not None else f"this repository at {source.get('ref')}"
    return f"{place}, folder {source['folder']}" if "folder" in source else place


def _line(entry: Entry) -> int:
    return entry.doc.at(("spec", "from")).line


def _at(entry: Entry, problem: Problem) -> Problem:
    # The daemon tries again by itself; a preview that could not start doesn't.
    first = AGAIN if problem.hint == SOURCES["source-unreachable"].cure else problem.hint.rstrip(".")
    hint = f"{first}; {OTHERWISE}" if first else OTHERWISE
    return replace(problem, path=entry.doc.path, line=_line(entry), hint=hint)


__all__ = ["Fetching"]
