"""The sites that a commit declares: a Site's name, its manifests, its addresses, and the files that it is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reconciler.core.model import Desired, Json, Spread, State
from reconciler.core.problem import Problem

KIND = "Site"
PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Declared:
    """One site: mostly one manifest, several where hosts get different ones of one name."""

    name: str
    spreads: tuple[Spread, ...]

    @property
    def spec(self) -> State:
        """What is wanted, on the first host where that differs."""
        return _spec(self.spreads[0])

    @property
    def release(self) -> str:
        return str(self.spec.get("release", ""))

    @property
    def sources(self) -> list[dict[str, Json]]:
        return [{"path": spread.manifest.source.path, "line": spread.manifest.source.line} for spread in self.spreads]

    def domains(self) -> list[dict[str, Json]]:
        """Each domain, and the address under which a browser finds it; none for `*.example.com`."""
        found: dict[str, str] = {}
        for spread in self.spreads:
            spec = _spec(spread)
            for domain in spec.get("domains", ()):
                found.setdefault(str(domain), "" if str(domain).startswith("*") else _url(str(domain), spec))
        return [{"domain": domain, "url": url} for domain, url in sorted(found.items())]

    def has(self, text: str) -> bool:
        """Whether the name or a domain has this text, in any case."""
        return any(text.lower() in one.lower() for one in (self.name, *(str(it["domain"]) for it in self.domains())))


def _spec(spread: Spread) -> State:
    if spread.same is not None:
        return spread.same.spec
    return spread.meaning(spread.hosts[0]).spec if spread.hosts else {}


def _url(domain: str, spec: State) -> str:
    tls = spec.get("tls")
    scheme, port = ("https", tls.get("port", 443)) if tls else ("http", spec.get("port", 80))
    return f"{scheme}://{domain}{'' if port == PORTS[scheme] else f':{port}'}/"


def sites(desired: Desired) -> dict[str, Declared]:
    """All of them by name, sorted."""
    found: dict[str, list[Spread]] = {}
    for spread in desired.spreads:
        if spread.manifest.kind == KIND:
            found.setdefault(spread.manifest.name, []).append(spread)
    return {name: Declared(name, tuple(spreads)) for name, spreads in sorted(found.items())}


def problems_of(site: Declared, desired: Desired, problems: Iterable[Problem]) -> list[Problem]:
    """Those that are about the site's files, or about its own part of the file that declares it."""
    begins: dict[str, list[int]] = {}
    for spread in desired.spreads:
        begins.setdefault(spread.manifest.source.path, []).append(spread.manifest.source.line)
    places = {(spread.manifest.source.path, spread.manifest.source.line) for spread in site.spreads}
    folders = tuple(f"{folder}/" for spread in site.spreads if (folder := _folder(_spec(spread))))

    def about(problem: Problem) -> bool:
        if problem.path.startswith(folders) or problem.path in {folder.rstrip("/") for folder in folders}:
            return True
        first = max((line for line in begins.get(problem.path, ()) if line <= problem.line), default=0)
        return (problem.path, first) in places

    return [problem for problem in problems if about(problem)]


def _folder(spec: State) -> str:
    said = spec.get("from")
    folder = said.get("folder", "") if isinstance(said, Mapping) and set(said) == {"folder"} else ""
    return str(folder).strip("/")


__all__ = ["KIND", "Declared", "problems_of", "sites"]
