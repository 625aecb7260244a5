"""The releases of sites, as rounds brought them to hosts: which commit, when, who, and what each did to the addresses.

A round that only puts altered files right again makes no release. One that brings the same release to further hosts
(another wave, a host that was away) belongs to the one that began it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.clock import rfc3339
from reconciler.core.model import Json
from reconciler.store.db import Db

FIELD = "release"
NOTES = 8
"""Lines of what one release does that are shown."""


@dataclass
class Release:
    """One, over the rounds that brought it to hosts."""

    release: str
    at: str | None
    commit: str
    author: str
    subject: str
    notes: list[str]
    rounds: list[int]
    ok: int = 0
    failed: int = 0

    def json(self) -> dict[str, Json]:
        return {
            "release": self.release,
            "at": self.at,
            "commit": self.commit,
            "author": self.author,
            "subject": self.subject,
            "ok": self.ok,
            "failed": self.failed,
            "notes": list(self.notes),
        }


def releases(db: Db, res_ids: Sequence[int]) -> dict[int, list[Release]]:
    """Each site → its releases, the newest first, as long as history is kept; what came of them: `outcomes`."""
    if not res_ids:
        return {}
    rows = db.rows(
        f"""
        WITH made AS (
            SELECT res_id, round_id, fields, max(notes) AS notes, count(*) AS hosts FROM change
            WHERE res_id IN ({", ".join(str(int(one)) for one in res_ids)}) AND action <> 'delete'
            GROUP BY res_id, round_id, fields
        )
        SELECT m.res_id, m.round_id, f.text, n.text, r.opened_at, r.commit_id, coalesce(k.author, ''), coalesce(k.subject, '')
        FROM made m JOIN round r USING (round_id) JOIN body f ON f.digest = m.fields LEFT JOIN body n ON n.digest = m.notes
        LEFT JOIN commit_read k ON k.commit_id = r.commit_id
        WHERE contains(f.text, '["{FIELD}",') ORDER BY m.res_id, m.round_id, m.hosts DESC, f.text
        """
    )
    found: dict[int, list[Release]] = {int(one): [] for one in res_ids}
    for res_id, round_id, fields, notes, opened, commit, author, subject in rows:
        known = found[res_id]
        name = next((str(after or "") for path, _, after in json.loads(fields) if path == FIELD), "")
        if not known or known[-1].release != name:
            said = [str(line) for line in json.loads(notes)][:NOTES] if notes else []
            known.append(Release(name, rfc3339(opened), commit, author, subject, said, []))
        known[-1].rounds.append(round_id)
    return {res_id: made[::-1] for res_id, made in found.items()}


def outcomes(db: Db, res_id: int, shown: Sequence[Release]) -> None:
    """Add to these releases of a site what came of them on its hosts."""
    rounds = {round_id: release for release in shown for round_id in release.rounds}
    if not rounds:
        return
    rows = db.rows(
        f"SELECT round_id, count(*) FILTER (result = 'ok'), count(*) FILTER (result = 'failed') FROM outcome "
        f"WHERE res_id = {int(res_id)} AND round_id IN ({', '.join(str(int(one)) for one in rounds)}) GROUP BY round_id"
    )
    for round_id, ok, failed in rows:
        rounds[round_id].ok += ok
        rounds[round_id].failed += failed


__all__ = ["Release", "outcomes", "releases"]
