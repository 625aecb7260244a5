"""What keeps a site from being previewed."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.core.kind import Code

CODES: Mapping[str, Code] = {
    "no-such-site": Code.error(
        "`trueup site preview` was given what is no folder, no manifest's file and no Site's name.",
        "Name a folder of files, a Site manifest's file, or its name in the repository that you stand in.",
    ),
    "preview-elsewhere": Code.error(
        "The Site's files come from outside this repository, and from somewhere else than when the preview began.",
        "End the preview and start it again: what is outside is fetched at the start alone.",
    ),
}
