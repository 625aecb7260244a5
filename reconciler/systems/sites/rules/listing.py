"""The list of a folder's files, as hosts and the preview send it, byte for byte.

Made here, and not by nginx's autoindex: that also shows the packed forms, which are no pages, and as dates what a release's
files have for the sake of their ETags.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from urllib.parse import quote

from reconciler.systems.sites.rules.site import Tree

TYPE = "text/html; charset=utf-8"


def listings(tree: Tree) -> Mapping[str, str]:
    """The page of each folder that has no index.html, by its URL path, with slashes at both ends; sorted."""
    found: dict[str, set[str]] = {folder: set() for folder in tree.folders}
    for folder, name in _names(tree):
        found[folder].add(name)
    return {_url(folder): _page(folder, names) for folder, names in sorted(found.items()) if "index.html" not in names}


def listing(tree: Tree, url: str) -> str:
    """The page of one folder."""
    folder = url.strip("/")
    return _page(folder, {name for above, name in _names(tree) if above == folder})


def _names(tree: Tree) -> Iterator[tuple[str, str]]:
    """(folder, what is directly below it): files, and folders with a slash behind them."""
    for path in (*tree, *(folder + "/" for folder in tree.folders if folder)):
        if not tree.packed("/" + path):
            above, _, name = path.rstrip("/").rpartition("/")
            yield above, name + path[len(path.rstrip("/")) :]


def _url(folder: str) -> str:
    return f"/{folder}/" if folder else "/"


def _page(folder: str, names: set[str]) -> str:
    rows = [*(["../"] if folder else []), *sorted(names)]
    links = "".join(f'<li><a href="{quote("./" + name)}">{html.escape(name)}</a>\n' for name in rows)
    words = html.escape(f"Index of {_url(folder)}")
    return f"<!doctype html>\n<meta charset=utf-8>\n<title>{words}</title>\n<h1>{words}</h1>\n<ul>\n{links}</ul>\n"
