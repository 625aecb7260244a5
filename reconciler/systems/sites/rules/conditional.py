"""What a request's headers ask of a file: 304, 412, a range, a precompressed form. As nginx decides it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from reconciler.systems.sites.rules.site import Entry, Tree, etag_of, mtime_of

ENCODINGS = (("br", "br"), ("gz", "gzip"))
"""(extension, name in Content-Encoding), the better one first."""

LARGEST = 2**63 - 1
"""The largest number of a range: nginx's off_t."""


def accepts(header: str, encoding: str) -> bool:
    """Whether an Accept-Encoding takes an encoding; `*` doesn't count (ngx_http_gzip_accept_encoding)."""
    for part in header.split(","):
        name, *parameters = (piece.strip(" ") for piece in part.split(";"))
        if name.lower() == encoding:
            quality = next((p[2:] for p in parameters if p[:2].lower() == "q="), "1")
            return re.fullmatch(r"0(?:\.0{0,3})?", quality) is None
    return False


def variant(tree: Tree, url: str, headers: Mapping[str, str], brotli: bool) -> tuple[str, str]:
    """The file that is sent for a URL's file, and its Content-Encoding."""
    for extension, name in ENCODINGS:
        known = (extension != "br" or brotli) and tree.file(f"{url}.{extension}")
        if known and accepts(headers.get("accept-encoding", ""), name):
            return f"{url}.{extension}", name
    return url, ""


def _named(header: str, etag: str, *, weak: bool) -> bool:
    """Whether an If-None-Match (weak) or If-Match names the ETag (ngx_http_test_if_match)."""
    if header == "*":
        return True
    given = [tag.strip() for tag in re.findall(r'(?:W/)?"[^"]*"', header)]
    return any(tag == etag or (weak and tag == "W/" + etag) for tag in given)


def precondition(headers: Mapping[str, str], entry: Entry | None) -> int:
    """412, 304, or 200: go on. A listing has no entry, and so neither an ETag nor a time."""
    etag = etag_of(entry) if entry else ""
    since = headers.get("if-unmodified-since")
    if since is not None and (entry is None or _seconds(since) < mtime_of(entry.digest)):
        return 412
    if "if-match" in headers and not _named(headers["if-match"], etag, weak=False):
        return 412
    if "if-none-match" in headers and "if-modified-since" not in headers:
        return 304 if _named(headers["if-none-match"], etag, weak=True) else 200
    return 200


def _seconds(date: str) -> float:
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError):
        return -1


def wants_range(headers: Mapping[str, str], entry: Entry) -> bool:
    """Whether a Range counts: not where its If-Range names another state of the file, or a date."""
    return "range" in headers and headers.get("if-range", etag_of(entry)) == etag_of(entry)


def _beyond(number: str) -> bool:
    number = number.lstrip("0")
    return len(number) > 19 or int(number or "0") > LARGEST


def ranges(header: str, size: int) -> tuple[int, int] | int | None:
    """First byte and the one behind the last; 416; or None for the whole file (ngx_http_range_parse, max_ranges 1)."""
    if len(header) < 7 or header[:6].lower() != "bytes=":
        return None
    found: list[tuple[int, int]] = []
    for part in header[6:].split(","):
        asked = re.fullmatch(r" *(?:([0-9]+) *- *(?:([0-9]+) *)?|-([0-9]+) *)", part)
        if asked is None or any(_beyond(number) for number in asked.groups() if number):
            return 416
        if asked[3] is not None:
            start, end = max(size - int(asked[3]), 0), size
        else:
            start = int(asked[1])
            end = size if asked[2] is None else min(int(asked[2]) + 1, size)
        if start < end:
            found.append((start, end))
            if len(found) > 1:
                return None
        elif start == 0:
            return None
    return found[0] if found else 416
