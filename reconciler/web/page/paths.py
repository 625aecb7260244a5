"""The pages, each with its question and its template: one table, from which routes, JSON forms and OpenAPI are made."""

from __future__ import annotations

from dataclasses import dataclass

from . import words


@dataclass(frozen=True, kw_only=True)
class Param:
    """Something that may stand in the query of an address."""

    name: str
    meaning: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Page:
    """One page. `ask` names a question of door.asks; the names in the path and the query are its arguments."""

    path: str
    """As Starlette has it; a name may hold any character, a slash too when it comes last (`:path`)."""
    ask: str
    template: str
    section: str
    """Which entry of the navigation it belongs to."""
    summary: str
    """A sentence for the OpenAPI document."""
    title: str = ""
    """Empty: the last name in the path."""
    params: tuple[Param, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(part[1:-1].partition(":")[0] for part in self.path.split("/") if part.startswith("{"))


VERDICT = Param(
    name="verdict",
    meaning="only hosts with this verdict",
    choices=tuple(word.lower() for word, _ in words.ORDER),
)
FIND = Param(name="find", meaning="only what has this text in its name, in any case")
WHERE = Param(name="where", meaning="only hosts that this selector picks, as manifests have them: `role=web`, `web-*`")
HOST = Param(name="host", meaning="only this host")
KIND = Param(name="kind", meaning="only this kind")
NAME = Param(name="name", meaning="only resources of this name")
AFTER = Param(name="after", meaning="go on after this row: `next` of the answer before")
LIMIT = Param(name="limit", meaning="rows of one page, 1 to 1000; 50 when left out")

PAGES = (
    Page(path="/", ask="status", template="fleet.html", section="Fleet", summary="The fleet at a glance.", title=""),
    Page(
        path="/hosts",
        ask="hosts",
        template="hosts.html",
        section="Hosts",
        title="Hosts",
        summary="Hosts, worst first, 50 a page.",
        params=(VERDICT, FIND, WHERE, AFTER, LIMIT),
    ),
    Page(
        path="/hosts/{host}",
        ask="host",
        template="host.html",
        section="Hosts",
        summary="One host: its resources, what differs, what happened, its facts.",
    ),
    Page(
        path="/hosts/{host}/{kind}/{name:path}",
        ask="one",
        template="one.html",
        section="Hosts",
        summary="One resource on one host: what it is there, what Git wants, where that comes from, what happened to it.",
    ),
    Page(
        path="/history",
        ask="history",
        template="history.html",
        section="Fleet",
        title="History",
        summary="What happened, newest first: changes and what came of them, drift, hosts that did not answer.",
        params=(HOST, KIND, NAME, AFTER, LIMIT),
    ),
    Page(
        path="/commits",
        ask="commits",
        template="commits.html",
        section="Commits",
        title="Commits",
        summary="Commits that were read, newest first, and what came of them.",
        params=(AFTER, LIMIT),
    ),
    Page(
        path="/commits/{commit}",
        ask="commit",
        template="commit.html",
        section="Commits",
        summary="One commit: its problems, its plan, its waves and outcomes.",
    ),
    Page(path="/kinds", ask="kinds", template="kinds.html", section="Kinds", title="Kinds", summary="The kinds."),
    Page(
        path="/kinds/{kind}",
        ask="kind",
        template="kind.html",
        section="Kinds",
        summary="The resources of one kind, 50 a page.",
        params=(FIND, AFTER, LIMIT),
    ),
    Page(
        path="/kinds/{kind}/{name:path}",
        ask="resource",
        template="resource.html",
        section="Kinds",
        summary="One resource on all its hosts.",
        params=(AFTER, LIMIT),
    ),
    Page(
        path="/reports",
        ask="reports",
        template="reports.html",
        section="Reports",
        title="Reports",
        summary="The reports.",
    ),
    Page(
        path="/reports/{report}",
        ask="report",
        template="report.html",
        section="Reports",
        summary="One report over the fleet.",
    ),
    Page(
        path="/problems",
        ask="problems",
        template="problems.html",
        section="Commits",
        title="Problems",
        summary="What is wrong with the newest commit.",
    ),
)
