"""What was put back against Git's word, in words."""

from __future__ import annotations

from collections.abc import Mapping

from ..core.model import Json
from .clean import clean, plural
from .words import short, stamp, table


def sentence(one: Mapping[str, Json]) -> str:
    """One line for plan, status and page; `one` as RolledBack.json has it."""
    return clean(
        f"{one['kind']} {one['name']} is put back to {one['version']} ({short(str(one['commit']))}) "
        f"by {one['by']}: {one['why']}; Git says {one['inGit']}"
    )


def next_step(one: Mapping[str, Json]) -> str:
    return clean(f"a commit that changes it ends that, or: trueup rollback {one['name']} --end")


def back(answer: Mapping[str, Json]) -> str:
    lines = [
        clean(
            f"{answer['kind']} {answer['name']} goes back to {answer['version']} (commit {short(str(answer['commit']))}) "
            f"on {plural(int(answer['hosts']), 'host')}; Git says {answer['inGit']}"
        )
    ]
    if answer["stay"]:
        lines.append(clean(f"  stays as Git says on {', '.join(answer['stay'][:5])}: it never had that version"))
    if answer["back"]["gone"]:
        lines.append(
            f"  {plural(int(answer['back']['gone']), 'file')} of it came from outside the repository and are no longer kept here: a host "
            "that still has them\n  goes back; for others Git has to name that version again, which fetches it"
        )
    lines.append(
        clean(f"  next: revert or mend the commit; trueup rollback {answer['name']} --end gives it back to Git")
    )
    return "\n".join(lines) + "\n"


def ended(answer: Mapping[str, Json]) -> str:
    goes = f": it goes to {answer['version']}" if answer["version"] else ""
    return clean(f"{answer['kind']} {answer['name']} is as Git says again{goes}") + "\n"


def versions(answer: Mapping[str, Json]) -> str:
    """The versions, the newest first, and the rollback that holds."""
    if not answer["versions"]:
        return clean(f"Of {answer['kind']} {answer['name']} nothing was applied, as far as is remembered.") + "\n"
    cells = [("VERSION", "COMMIT", "SINCE", "HOSTS", "GOING BACK")]
    for one in answer["versions"]:
        marks = ["in Git"] if one["inGit"] else []
        marks.append("wanted now" if one["wanted"] else _way(one["back"]))
        cells.append(
            (
                clean(str(one["version"])),
                short(str(one["commit"])),
                stamp(one["at"]),
                f"{int(one['hosts']):,}",
                ", ".join(marks),
            )
        )
    lines = [line.rstrip() for line in table(cells)]
    if any(one["back"]["how"] == "gone" and not one["wanted"] for one in answer["versions"]):
        lines.append(
            "Files that are gone came from outside the repository: Git has to name that version again, which fetches it."
        )
    held = answer["rollback"]
    if held:
        lines.append(clean(f"put back to {held['version']} by {held['by']} at {stamp(held['at'])}: {held['why']}"))
    return "\n".join(lines) + "\n"


def _way(back: Mapping[str, Json]) -> str:
    """What going back takes; `back` as core.back.Way.json has it."""
    has, lacks, unknown = int(back["has"]), int(back["lacks"]), int(back["unknown"])
    some = f"{lacks:,} of {plural(has + lacks + unknown, 'host')}" if has or unknown else ""
    match back["how"]:
        case "refused":
            return clean(f"no: {back['why'] or 'no host had it'}")
        case "gone":
            said = f"{f'not on {some}' if some else 'no'}: {plural(int(back['gone']), 'file is', 'files are')} gone"
        case "upload":
            said = f"by upload to {some}" if some else "by upload"
        case "instant":
            said = "at once"
        case _:
            return "unknown: no host was read"
    return f"{said}; {plural(unknown, 'host')} unknown" if unknown else said
