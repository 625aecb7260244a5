"""What is found in the rules and the files of a site, with its meaning and its cure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from reconciler.core.kind import Code

CODES: Mapping[str, Code] = MappingProxyType(
    {
        "bad-redirect": Code.error(
            "A rule of `_redirects` can't be served as it is written; the message says why.",
            "Write the rule as the site's dialect has it, or set the other dialect.",
        ),
        "too-many-redirects": Code.error(
            "Cloudflare takes 2,000 static and 100 dynamic rules; those above are left out.",
            "Join rules by * and placeholders, or set `dialect: netlify`.",
        ),
        "unknown-placeholder": Code.warning(
            "A rule's target names a placeholder that its pattern doesn't have; it is sent as it is.",
            "Name the placeholder in the pattern too.",
        ),
        "useless-query": Code.warning(
            "The target of a rewrite has a query or a fragment, which changes nothing: a file is served.",
            "Leave the query out.",
        ),
        "rule-never-matches": Code.warning(
            "An earlier rule takes every address that this rule would, or a file answers there.",
            "Put the rule before the other, add ! where the file shall give way, or remove it.",
        ),
        "rule-leads-nowhere": Code.warning(
            "What the rule shows or redirects to is not there. An error for a rewrite, whose own address would be a 404.",
            "Name a page of the site.",
        ),
        "redirect-loop": Code.error(
            "Redirects go in a circle: browsers give up with an error that only visitors see.",
            "Let one of the rules lead to a page.",
        ),
        "redirect-chain": Code.warning(
            "A redirect leads to another: each costs a visitor a round trip.",
            "Let the first rule lead to the last address.",
        ),
        "bad-header": Code.error(
            "A line of `_headers` can't be served as it is written; the message says why.",
            "Write `Name: value`, indented below a path.",
        ),
        "header-never-sent": Code.warning(
            "No address of the site matches the pattern, so that its headers are never sent.",
            "Write the path as browsers ask for it: pages without .html.",
        ),
        "dead-link": Code.warning(
            "A link, an image, a script or a style sheet of a page leads to what is not there.",
            "Correct the link, or add a redirect for it.",
        ),
        "names-differ-in-case": Code.warning(
            "Two files differ only in case: on a Mac and on Windows they are one.",
            "Rename one of them.",
        ),
        "heavy-files": Code.warning(
            "What pages show or run (pictures, fonts, scripts, style sheets, the pages themselves) has more than 1 MiB; the largest are named.",
            "Scale or compress it, or split what is not needed at once.",
        ),
        "large-file": Code.warning(
            "A file is larger than the 25 MiB that Cloudflare takes.",
            "Serve it from elsewhere, or set `dialect: netlify`.",
        ),
    }
)
