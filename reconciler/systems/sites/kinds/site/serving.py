"""How a Site answers: its fields and files as rules, its server blocks, and what a host is asked for after a switch.

Imported when a site is resolved: a plan that reads nothing anew has no use for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from reconciler.core.model import State
from reconciler.core.problem import Problem
from reconciler.systems.sites.rules import headers, redirects
from reconciler.systems.sites.rules.answer import Here, Request, answer
from reconciler.systems.sites.rules.examine import examine
from reconciler.systems.sites.rules.nginx import Place
from reconciler.systems.sites.rules.site import RELEASE_URL, BasicAuth, Cors, Entry, Hsts, RateLimit, Rules, Tree
from reconciler.systems.sites.rules.target import escape
from reconciler.systems.sites.rules.urls import Changed, urls_changed

from . import checks
from .meaning import HEADERS, REDIRECTS, ROOT, Dialect, dialect_of, files_of, packings, passwords
from .tls import asked_host, paths, ports, source


def served(spec: State, files: Mapping[str, str], sizes: Mapping[str, int] = MappingProxyType({})) -> Tree:
    """As the rules see the files. Their sizes are not known where a plan is made, and decide nothing there."""
    entries = {path: Entry(sizes.get(path, 0), blob) for path, blob in files.items()}
    return Tree(entries, checks.packed_types(files) if packings(spec) else ())


def rules(name: str, spec: State, texts: Mapping[str, tuple[str, str]]) -> tuple[Rules, tuple[Problem, ...]]:
    """The rules of a site. `texts`: file name (`_redirects`, `_headers`) → its path in the repository and its text.

    What the files say comes before what the manifest says: their lines are the nearer ones to the pages. Raises
    ValueError for a combination that can't be served.
    """
    dialect = dialect_of(spec)
    problems: list[Problem] = []
    moved: list[redirects.Redirect] = []
    blocks: list[headers.Block] = []
    if REDIRECTS in texts:
        path, text = texts[REDIRECTS]
        found, told = redirects.parse(text, path, dialect)
        moved += found
        problems += told
    for one in spec.get("redirects", ()):
        made, told = redirects.rule(
            one["from"], one["to"], one.get("status"), dialect, force=bool(one.get("force", False))
        )
        moved += [made] if made is not None else []
        problems += told
    if HEADERS in texts:
        path, text = texts[HEADERS]
        said, told = headers.parse(text, path, dialect)
        blocks += said
        problems += told
    for one in spec.get("headers", ()):
        block, told = headers.block(one["for"], tuple(one["values"].items()), dialect)
        blocks += [block] if block is not None else []
        problems += told
    return _rules(spec, dialect, tuple(moved), tuple(blocks)), tuple(problems)


def _rules(
    spec: State, dialect: Dialect, moved: tuple[redirects.Redirect, ...], blocks: tuple[headers.Block, ...]
) -> Rules:
    tls = spec.get("tls") or {}
    optional: dict[str, Any] = {}
    if "custom404" in spec:
        optional["custom_404"] = spec["custom404"]
    if "custom50x" in spec:
        optional["custom_50x"] = spec["custom50x"]
    return Rules(
        dialect=dialect,
        redirects=moved,
        headers=blocks,
        spa=spec.get("spa"),
        pretty_urls=bool(spec.get("prettyUrls", True)),
        dir_listing=bool(spec.get("dirListing", False)),
        basic_auth=_auth(spec.get("basicAuth")),
        allow=tuple(spec.get("allow", ())),
        deny=tuple(spec.get("deny", ())),
        rate_limit=_rate(spec.get("rateLimit")),
        cors=_cors(spec.get("cors")),
        csp={name: tuple(sources) for name, sources in (spec.get("csp") or {}).items()},
        cache=tuple((one["for"], one["value"]) for one in spec.get("cache", ())),
        hsts=_hsts(tls.get("hsts")),
        redirect_https=bool(tls) and bool(tls.get("redirect", True)),
        noindex=bool(spec.get("noindex", False)),
        **optional,
    )


def _auth(said: State | None) -> BasicAuth | None:
    if said is None:
        return None
    users = {user["name"]: "" for user in said["users"]}  # the hashes go to the password file alone
    return BasicAuth(realm=said.get("realm", "Restricted"), paths=tuple(said.get("paths", ("/*",))), users=users)


def _rate(said: State | None) -> RateLimit | None:
    if said is None:
        return None
    return RateLimit(rate=said["requests"], burst=said.get("burst", 0), per=said.get("per", "s"))


def _cors(said: State | None) -> Cors | None:
    if said is None:
        return None
    return Cors(
        origins=tuple(said["origins"]),
        methods=tuple(said.get("methods", ("GET", "HEAD"))),
        headers=tuple(said.get("headers", ())),
        max_age=said.get("maxAge", 86_400),
    )


def _hsts(said: State | None) -> Hsts | None:
    if said is None:
        return None
    return Hsts(
        max_age=said.get("maxAge", 31_536_000),
        subdomains=bool(said.get("subdomains", False)),
        preload=bool(said.get("preload", False)),
    )


def place(name: str, spec: State, release: str) -> Place:
    """Where a release of the site stands on a host. Raises ValueError for what can't stand in a configuration."""
    crt, key = paths(name, spec)
    return Place(
        site=name,
        domains=tuple(sorted(spec["domains"])),
        root=f"{ROOT}/sites/{name}/releases/{release}/files",
        release=release,
        http=ports(spec)[:1],
        https=ports(spec)[1:],
        certificate=crt,
        key=key,
        previous_root=f"{ROOT}/sites/{name}/previous/files",
        htpasswd=passwords(name, spec),
        access_log=f"/var/log/nginx/trueup-{name}.access.log",
        acme=f"{ROOT}/acme" if source(spec) == "acme" else None,
        asking=f"{ROOT}/asking",
        brotli="brotli" in packings(spec),
    )


def examined(rules: Rules, folder: str, tree: Tree, spec: State, read: Callable[[str], bytes]) -> tuple[Problem, ...]:
    """What rules/examine.py finds in the files of a site, at their places in the repository."""
    return examine(rules, tree, read, folder=folder, domains=tuple(spec["domains"]))


def addresses(name: str, before: State, after: State) -> Changed | None:
    """What going from one applied spec to another does to the site's addresses; None where the older one doesn't say."""
    if not (isinstance(before.get("tree"), str) and isinstance(before.get("texts"), Mapping)):
        return None
    sides = []
    for spec in (before, after):
        texts = {file: (path, text) for file, (path, text) in spec["texts"].items()}
        try:
            made, _ = rules(name, spec, texts)
        except (KeyError, TypeError, ValueError):
            return None  # an older trueup applied it
        sides.append((made, served(spec, files_of(spec["tree"]))))
    return urls_changed(sides[0], sides[1])


SAMPLE = 5
"""Pages that a host is asked for after a switch, beside the release's id."""


def expected(name: str, spec: State, rules: Rules, tree: Tree, release: str) -> list[dict[str, Any]]:
    """What a host that serves the release answers: its id, and for a sample of pages what the rules say."""
    tls, host, port = bool(spec.get("tls")), asked_host(spec), ports(spec)[-1]
    at = {"host": host, "port": port, "tls": tls}
    asked = [{**at, "url": RELEASE_URL, "status": 200, "body": release}]
    if rules.rate_limit is not None:
        return asked  # its own questions would use up what a client may ask
    known = [path for path in tree if '"' not in path]  # nginx before 1.21.1 repeats one as it is in a Location
    pages = [path for path in known if path.endswith(".html")] or known
    step = max(len(pages) // SAMPLE, 1)
    for url in ["/", *("/" + escape(path) for path in pages[::step][:SAMPLE])]:
        request = Request(target=url, host=host, scheme="https" if tls else "http")
        said = answer(rules, tree, request, Here(release=release, tls=tls, https_port=port))
        asked.append({**at, "url": url, "status": said.status, "location": said.header("location")})
    return asked
