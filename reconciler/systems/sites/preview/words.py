"""How a preview reads on a terminal: what is wrong with the site at each look, and a line for each request."""

from __future__ import annotations

import time

from reconciler.core.problem import Problem
from reconciler.tell import problems
from reconciler.tell.clean import clean

from .looking import Look, Shown


def of_look(look: Look, number: int) -> str:
    """All that is wrong; after a change one line also where nothing is."""
    told = problems.text(look.problems, look.files)
    if look.shown is None:
        told += f"{_now()} not served as it lies there"
        told += "; the state before it stays\n" if number > 1 else "\n"
    elif number > 1:
        told += f"{_now()} changed: {problems.counts(look.problems) or 'no problems'}\n"
    return told


def of_fetching(said: str) -> str:
    """What is asked of a source outside the repository, and what came."""
    return clean(f"{_now()} {said}") + "\n"


def of_trouble(problem: Problem) -> str:
    """That it could not be asked, and what holds instead."""
    return problems.text((problem,))


def of_start(shown: Shown, url: str) -> str:
    lines = [f"{shown.lies} as Site {shown.name}: {url}  (Ctrl-C ends it)"]
    lines += [f"  {domain}: {url.replace('127.0.0.1', domain + '.localhost')}" for domain in shown.domains[1:]]
    lines += [f"  not as on a host: {words}" for words in shown.left_out]
    return "".join(line + "\n" for line in lines)


def of_request(method: str, target: str, status: int, shows: str) -> str:
    return clean(f"{_now()} {status} {method:<4} {target}" + (f"  {shows}" if shows else "")) + "\n"


def _now() -> str:
    return time.strftime("%H:%M:%S")
