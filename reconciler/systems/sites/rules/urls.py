"""The addresses of a site, and what becomes of them from one release to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import quote

from reconciler.systems.sites.rules.answer import Answer, Request, answer
from reconciler.systems.sites.rules.redirects import REDIRECTS
from reconciler.systems.sites.rules.resolve import Found, resolve
from reconciler.systems.sites.rules.site import EMPTY, Rules, Tree, hashed

SAFE = "/!$&'()*+,;=:@~-._"


def open_rules(rules: Rules) -> Rules:
    """The rules without what depends on the visitor: to see what is there behind passwords and networks."""
    return replace(rules, basic_auth=None, allow=(), deny=(), rate_limit=None, cors=None)


def ask(rules: Rules, tree: Tree, target: str) -> Answer:
    return answer(rules, tree, Request(target=target))


def address(rules: Rules, tree: Tree, path: str) -> str | None:
    """The one address (a decoded path) of a file; None for what has none: packed forms, pages of errors."""
    url = "/" + path
    if (
        tree.packed(url)
        or path.rsplit("/", 1)[-1] in ("404.html", "50x.html")
        or url in (rules.custom_404, rules.custom_50x)
    ):
        return None
    if rules.pretty_urls and url.endswith("/index.html"):
        found = url[: -len("index.html")]
    else:
        found = url[: -len(".html")] if rules.pretty_urls and url.endswith(".html") else url
    return next((u for u in (found, url) if resolve(rules, tree, EMPTY, u) == Found(url)), None)


def urls(rules: Rules, tree: Tree) -> Mapping[str, str]:
    """Every address of the site, encoded, with the digest of what it shows; sorted."""
    out: dict[str, str] = {}
    for path, entry in tree.items():
        found = address(rules, tree, path)
        if found is not None:
            out[quote(found, safe=SAFE)] = entry.digest
    return dict(sorted(out.items()))


@dataclass(frozen=True)
class Changed:
    """What a release does to the addresses of a site; each is sorted."""

    appear: tuple[str, ...]
    change: tuple[str, ...]
    vanish: tuple[str, ...]
    lost: tuple[str, ...]
    """Those that vanish and lead nowhere afterwards: no redirect, no rewrite, no 410. Names with a hash don't count,
    which were only ever asked for by pages of their own build."""


def urls_changed(before: tuple[Rules, Tree], after: tuple[Rules, Tree]) -> Changed:
    old, new = urls(*before), urls(*after)
    rules, tree = open_rules(after[0]), after[1]
    vanish = tuple(url for url in old if url not in new)
    lost = tuple(url for url in vanish if not hashed(url) and _lost(rules, tree, url))
    return Changed(
        appear=tuple(url for url in new if url not in old),
        change=tuple(url for url in new if url in old and old[url] != new[url]),
        vanish=vanish,
        lost=lost,
    )


def _lost(rules: Rules, tree: Tree, url: str) -> bool:
    given = ask(rules, tree, url)
    if given.status in REDIRECTS or given.status in (410, 451):
        return False
    fallback = rules.fallback(tree)
    return given.status != 200 or (fallback is not None and given.file == fallback[1:])
