"""Which file a path means, in each dialect, and which address a page really has.

Netlify's forms, as measured on its servers (github.com/slorber/trailing-slash-guide): /file for file.html, /file/ goes to
/file, /folder goes to /folder/, and where both are there, both.html wins. There /file.html is served too; here it
redirects to the one address. Cloudflare (developers.cloudflare.com/pages/configuration/serving-pages and the asset server of
its workers-sdk): the same but that a folder's index wins for /both/, and codes are 308.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from reconciler.systems.sites.rules.site import Rules, Tree, hashed, hidden


@dataclass(frozen=True, slots=True)
class Found:
    """The file with this URL path answers."""

    url: str
    previous: bool = False


@dataclass(frozen=True, slots=True)
class Moved:
    """The page's address is this path."""

    path: str


def resolve(rules: Rules, tree: Tree, previous: Tree, path: str) -> Found | Moved | None:
    """What a decoded path means without rules. A file of the previous release answers only for a name with a hash."""
    if tree.packed(path):
        return None
    if path.endswith((".gz", ".br")):
        return _first(tree, path) or _folder(rules, tree, path)
    if hashed(path):
        if tree.file(path):
            return Found(path)
        if previous.file(path) and not previous.packed(path):
            return Found(path, previous=True)
    if not rules.pretty_urls:
        return _loose(tree, path)
    if path.endswith(".html"):
        return _html(rules, tree, path)
    if path.endswith("/"):
        return _slash(rules, tree, path)
    has_index = rules.dialect == "cloudflare" or tree.file(path + ".html")
    if path.endswith("/index") and not tree.file(path) and has_index:
        return Moved(path[:-5])
    return _first(tree, path, path + ".html") or _folder(rules, tree, path)


def _loose(tree: Tree, path: str) -> Found | None:
    if path.endswith("/"):
        return _first(tree, path + "index.html", *([path[:-1] + ".html"] if path != "/" else []))
    return _first(tree, path, path + ".html", path + "/index.html")


def _html(rules: Rules, tree: Tree, path: str) -> Found | Moved | None:
    bare = path[:-5]
    if not tree.file(bare) and tree.file(path):
        return Moved(bare[:-5] if bare.endswith("/index") else bare)
    return _first(tree, path, path + ".html") or _folder(rules, tree, path)


def _slash(rules: Rules, tree: Tree, path: str) -> Found | Moved | None:
    bare = path[:-1]
    page = bool(bare) and tree.file(bare + ".html")
    if rules.dialect == "netlify" and page:
        return Moved(bare)
    if tree.file(path + "index.html"):
        return Found(path + "index.html")
    if rules.dialect == "cloudflare" and bare.endswith("/index"):
        return Moved(bare[:-5])
    return Moved(bare) if page else None


def _folder(rules: Rules, tree: Tree, path: str) -> Moved | None:
    if rules.pretty_urls and tree.file(path + "/index.html"):
        return Moved(path + "/")
    return None


def _first(tree: Tree, *urls: str) -> Found | None:
    return next((Found(url) for url in urls if tree.file(url)), None)


def named(tree: Tree, to: str) -> Found | None:
    """The file that a rewrite's target names: a file, a page without its .html, a folder's index."""
    if hidden(to):
        return None
    return _first(tree, to, to + ".html", re.sub(r"/+", "/", to + "/index.html"))


def page(rules: Rules, tree: Tree, path: str) -> str | None:
    """The page that says 404 for a path: Cloudflare looks upwards from the path for the nearest 404.html."""
    if rules.custom_404 is None:
        return None
    if rules.dialect == "cloudflare" and rules.custom_404 == "/404.html":
        return next((url for url in tree.error_pages if path.startswith(url[: -len("404.html")])), None)
    return rules.custom_404 if tree.file(rules.custom_404) else None
