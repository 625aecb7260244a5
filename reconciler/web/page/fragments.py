"""Kinds' own words for a state: each kind's page.html, rendered in a sandbox, with data only.

A fragment gets `name`, `state` (what is on the host), `spec` (what Git wants) and `moment` (what was read with the state
and differs at each look), mappings, possibly empty. It can't reach the world, the request or another template; what it prints is escaped; a fragment that fails is left out.
Its first `<p class="kind-summary">` (or `summary`) is the one line that lists show.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from ...core.model import Json
from . import words

SUMMARY = re.compile(r'<p class="(?:kind-)?summary">(.*?)</p>', re.DOTALL)
LIMIT = 64 * 1024
"""Characters that one fragment may print."""


class Fragments:
    def __init__(self, folders: Mapping[str, Path]) -> None:
        self.env = ImmutableSandboxedEnvironment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
        self.env.filters["visible"] = words.visible
        self.env.filters["value"] = words.value
        self.env.globals.clear()
        self.templates = {}
        for kind, folder in folders.items():
            if (folder / "page.html").exists():
                self.templates[kind] = self.env.from_string((folder / "page.html").read_text(encoding="utf-8"))

    def render(self, kind: str, name: str, state: Json, spec: Json = None, moment: Json = None) -> Markup:
        """The fragment of one resource; empty when the kind has none, or when it fails on this state."""
        template = self.templates.get(kind.lower())
        if template is None:
            return Markup("")
        try:
            text = template.render(name=words.visible(name), state=shown(state), spec=shown(spec), moment=shown(moment))
        except (TemplateError, TypeError, ValueError, AttributeError, KeyError, IndexError, ArithmeticError):
            # States come from hosts: one that the fragment did not expect must not take the page with it.
            return Markup("")
        return Markup(text[:LIMIT] if len(text) <= LIMIT else "")  # noqa: S704 - autoescaped by the sandbox above

    def summary(self, kind: str, name: str, state: Json, spec: Json = None, moment: Json = None) -> Markup:
        """The one line of a resource for a list."""
        found = SUMMARY.search(self.render(kind, name, state, spec, moment))
        return Markup(found[1].strip()) if found else Markup("")  # noqa: S704 - a part of the above


class Sealed:
    """What stands for a secret: prints as a word, and says `sealed` to a fragment that asks."""

    sealed = "(secret)"

    def __str__(self) -> str:
        return self.sealed


def shown(value: Json) -> Json:
    """What a fragment may see: secrets as a word, text made visible, mappings and lists copied."""
    if value is None:
        return {}
    if isinstance(value, Mapping):
        if "sealed" in value:
            return Sealed()
        return {str(name): shown(part) if part is not None else None for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [shown(part) for part in value]
    return words.visible(value) if isinstance(value, str) else value
