"""The pages of sites: all of them, and one."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.core.model import Json
from reconciler.web.page.address import AFTER, FIND, LIMIT, Page
from reconciler.web.page.answers import NEXT, count, document, flag, list_of, moment, obj, or_null, ref, text

PAGES = (
    Page(
        path="/sites",
        ask="sites",
        template="sites/sites.html",
        section="Sites",
        title="Sites",
        summary="Sites by name, 50 a page: release, hosts, certificates, traffic.",
        params=(FIND, AFTER, LIMIT),
    ),
    Page(
        path="/sites/{site}",
        ask="site",
        template="sites/site.html",
        section="Sites",
        summary="One site: its hosts, releases and what they did to its addresses, certificates, traffic, problems.",
        params=(AFTER, LIMIT),
    ),
)

_CERTIFICATE = obj(
    path=text("of its file on the host"),
    ends=moment("null: it can't be read, or says no end"),
    daysLeft={"type": ["integer", "null"], "description": "whole days until then; negative: it has ended"},
    issuer=text(),
    names=list_of(text()),
    trouble=text("why it can't be read; empty when it can"),
    hosts=count("that have it"),
    host=text("one of them"),
)
_STATUS = {
    "type": "object",
    "additionalProperties": count(),
    "description": "requests by class of the status: 2xx, 3xx, 4xx, 5xx",
}
_TRAFFIC = obj(
    hosts=count("that told of it"),
    cut=count("of which the logs don't say the whole day"),
    since=moment("since when they all do; null: the whole day"),
    readAt=moment("the oldest look that it is of"),
    requests=count("in the last 24 hours"),
    bytes=count("of the bodies that were sent"),
    status=_STATUS,
    hours=list_of(count(), "requests in each of the 24 hours, the oldest first"),
)
_HEAD: Mapping[str, dict[str, Json]] = {
    "site": text(),
    "domains": list_of(obj(domain=text(), url=text("empty: it stands for many (*.example.com)"))),
    "release": text("what Git wants"),
    "since": moment("when it began to be brought to hosts; null: before history is kept, or not yet"),
    "commit": text("the commit that brought it; empty: not known any more"),
    "files": {"type": ["integer", "null"], "description": "null: no host has said yet"},
    "bytes": {"type": ["integer", "null"], "description": "not compressed"},
    "hosts": count(),
    "counts": ref("Counts"),
    "serving": count("hosts that serve that release"),
}
_HOST = obj(
    host=text(),
    verdict=ref("Verdict"),
    why=text(),
    since=moment("since when the verdict holds"),
    nextTry=moment(),
    release=text("what it serves; empty: nothing, or it is not known"),
    altered=list_of(text(), "files of the release that are not as they were sent"),
    traffic=or_null(
        obj(readAt=moment(), since=moment("the first request that is counted"), whole=flag("the whole day is counted"),
            requests=count(), status=_STATUS)
    ),
)  # fmt: skip

ANSWERS = {
    "sites": document(
        now=moment(),
        sites=list_of(
            obj(
                **_HEAD,
                certificate={**or_null(_CERTIFICATE), "description": "the one that ends first, or can't be read"},
                traffic=or_null(_TRAFFIC),
            )
        ),
        matching=count(),
        total=count(),
        next=NEXT,
    ),
    "site": document(
        now=moment(),
        wanted=ref("Commit"),
        **_HEAD,
        sources=list_of(ref("Source"), "its manifest"),
        selectors=list_of(text()),
        rows=list_of(_HOST, "its hosts, those that differ first"),
        total=count("hosts"),
        differ=count(),
        next=NEXT,
        releases=list_of(
            obj(
                release=text("empty: it was taken off the air"),
                at=moment(),
                commit=text(),
                author=text(),
                subject=text(),
                ok=count("changes of hosts that went well"),
                failed=count(),
                notes=list_of(text(), "what it did to the site's addresses, in lines"),
            ),
            "the newest first",
        ),
        moreReleases=count(),
        certificates=list_of(_CERTIFICATE, "what ends first on top; one that can't be read above all"),
        moreCertificates=count(),
        traffic=or_null(_TRAFFIC),
        missing=list_of(obj(path=text(), count=count(), hosts=count()), "what was asked for most and is not there"),
        problems=list_of(ref("Problem"), "what `trueup check` finds in it"),
        moreProblems=count(),
    ),
}

__all__ = ["ANSWERS", "PAGES"]
