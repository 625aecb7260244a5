"""Templates: Jinja2 with escaping always on, undefined names an error, and the words of the rest of trueup."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PrefixLoader, StrictUndefined
from markupsafe import Markup

from ... import systems
from ...core.model import Json, Verdict
from . import words
from .fragments import Fragments
from .paths import sections

HERE = Path(__file__).parent
STATIC = HERE / "static"


@cache
def versions() -> Mapping[str, str]:
    """Each static file's name → a hash of its bytes: the address changes with the content, so it can be kept for ever."""
    return {
        file.name: hashlib.blake2b(file.read_bytes(), digest_size=6).hexdigest() for file in sorted(STATIC.iterdir())
    }


def static(name: str) -> str:
    return f"/static/{quote(name)}?v={versions()[name]}"


def shares(counts: Mapping[str, int], total: int) -> list[tuple[str, str, str]]:
    """(verdict, x, width) of the bar, of 1000 in all, in the order of the words; what is there is at least 4 wide."""
    widths = {word: 1000 * counts.get(word, 0) / total if total else 0.0 for word, _ in words.ORDER}
    thin = {word: 4.0 for word, width in widths.items() if 0 < width < 4}
    wide = sum(width for word, width in widths.items() if word not in thin)
    scale = (1000 - sum(thin.values())) / wide if wide else 1.0
    x = 0.0
    parts = []
    for word, width in widths.items():
        drawn = thin.get(word, width * scale)
        parts.append((word, f"{x:.2f}", f"{drawn:.2f}"))
        x += drawn
    return parts


def worst(counts: Mapping[str, int]) -> tuple[str, str, int, str]:
    """(word, sign, how many, icon) of the worst verdict that any host has."""
    for word, symbol in words.ORDER:
        if counts.get(word):
            return word, symbol, counts[word], word.lower()
    return "", "·", 0, "empty"


def _of_systems() -> dict[str, FileSystemLoader]:
    """A system's templates, under its name: sites/sites.html."""
    return {name: FileSystemLoader(folder / "templates") for name, folder in systems.rooms("web").items()}


class Renderer:
    """One environment for the page's own templates; kinds' fragments have a sandbox of their own."""

    def __init__(self, fragments: Fragments) -> None:
        self.env = Environment(
            loader=ChoiceLoader([FileSystemLoader(HERE / "templates"), PrefixLoader(_of_systems())]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        filters: dict[str, Any] = {
            "visible": words.visible,
            "value": words.value,
            "block": words.block,
            "number": words.number,
            "segment": words.segment,
            "iso": words.iso,
        }
        self.env.filters.update(filters)
        self.env.tests["long"] = words.is_long
        self.env.tests["moment"] = words.is_moment
        self.env.globals.update(
            order=words.ORDER,
            order_json=json.dumps(words.ORDER, ensure_ascii=False),
            sign=words.sign,
            action_sign=words.action_sign,
            result_sign=words.result_sign,
            sections=sections(),
            shares=shares,
            static=static,
            diff=words.diff,
            fragment=fragments.render,
            summary=fragments.summary,
            verdicts=[verdict.value for verdict in Verdict],
        )

    def page(self, template: str, now: float, **data: Json) -> str:
        at = datetime.fromtimestamp(now, UTC)
        counts = data["brief"]["counts"]
        word, symbol, count, icon = worst(counts)

        def query(**changed: Json) -> str:
            """This page's address with some of its query changed (None: taken out)."""
            left = {**data["query"], **changed}
            kept = {name: text for name, text in left.items() if text not in (None, "")}
            return f"{data['at']}?{urlencode(kept)}" if kept else str(data["at"])

        return self.env.get_template(template).render(
            **data,
            now=at,
            query_with=query,
            worst_word=word,
            worst_sign=symbol,
            worst_count=f"{count:,}",
            worst_icon=icon,
            ago=lambda value: words.age(value, at),
            clock=lambda value: words.clock(value, at),
            time=lambda value, form="": words.time_tag(value, at, form),
        )


__all__ = ["Markup", "Renderer", "static", "versions", "worst"]
