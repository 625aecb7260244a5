"""The pages, each with its question and its template: one table, from which routes, JSON forms and OpenAPI are made."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ... import systems
from ...core.model import Json
from . import answers
from .address import AFTER, FIND, HOST, KIND, LIMIT, NAME, VERDICT, WHERE, Page

_LINE = (
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
)
_LAST = (
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


def _of_systems() -> dict[str, Any]:
    """A system's name → its web/pages.py."""
    return {system: import_module(module) for system, module in systems.modules("web", "pages").items()}


PAGES: tuple[Page, ...] = (*_LINE, *(page for module in _of_systems().values() for page in module.PAGES), *_LAST)
"""Those of the line, and those that a system adds in its web/pages.py."""
ANSWERS: dict[str, Json] = {
    **answers.ANSWERS,
    **{ask: shape for module in _of_systems().values() for ask, shape in module.ANSWERS.items()},
}
"""By question: what the page of it answers as JSON."""


def sections() -> tuple[tuple[str, str], ...]:
    """Address and word of each entry of the navigation: the first page of each section."""
    first: dict[str, str] = {}
    for page in PAGES:
        first.setdefault(page.section, page.path)
    return tuple((path, section) for section, path in first.items())
