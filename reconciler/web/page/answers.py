"""The shapes of the answers, as JSON Schema (draft 2020-12): the OpenAPI document is made of them, tests hold them against real answers."""

from __future__ import annotations

from ...core.model import Action, Json, Reason, Result, Verdict

Schema = dict[str, Json]


def text(meaning: str = "") -> Schema:
    return {"type": "string", "description": meaning} if meaning else {"type": "string"}


def count(meaning: str = "") -> Schema:
    return {"type": "integer", "minimum": 0, **({"description": meaning} if meaning else {})}


def flag(meaning: str) -> Schema:
    return {"type": "boolean", "description": meaning}


def moment(meaning: str = "") -> Schema:
    """RFC 3339 in UTC; null where there is none."""
    return {"type": ["string", "null"], "format": "date-time", "description": meaning or "RFC 3339, UTC"}


def list_of(items: Schema, meaning: str = "") -> Schema:
    return {"type": "array", "items": items, **({"description": meaning} if meaning else {})}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def obj(may: dict[str, Schema] | None = None, **must: Schema) -> Schema:
    """An object whose `must` fields are always there; readers pass over fields that they don't know."""
    return {"type": "object", "properties": {**must, **(may or {})}, "required": sorted(must)}


def document(may: dict[str, Schema] | None = None, **must: Schema) -> Schema:
    return obj(may, format={"const": 1}, **must)


VERDICT: Schema = {"enum": [verdict.value for verdict in Verdict]}
STATE: Schema = {"type": "object", "description": "fields by name; secrets are masked", "additionalProperties": True}
ANY: Schema = {"description": "any JSON value; secrets are masked"}
NEXT = text("give it as `after` to go on; empty: this is the end")

SCHEMAS: dict[str, Schema] = {
    "Verdict": VERDICT,
    "Counts": {"type": "object", "propertyNames": VERDICT, "additionalProperties": count()},
    "Commit": obj(id=text("Git's id; empty: none yet"), subject=text(), author=text(), at=moment("author time")),
    "CommitRead": obj(
        {name: count() for name in ("rounds", "changes", "hosts", "ok", "failed")},
        id=text(),
        subject=text(),
        author=text(),
        at=moment(),
        tree=text(),
        standing={"enum": ["held", "stopped", "refused"], "description": "held: valid, it was or is in force"},
        errors=count(),
        warnings=count(),
        readAt=moment(),
    ),
    "Source": obj(
        {"commit": text("the commit that last touched the line"), "author": text(), "subject": text(), "at": moment()},
        path=text(),
        line=count("from 1"),
    ),
    "Field": obj(path=text(), before=ANY, after=ANY),
    "Problem": obj(
        {"who": text("who must act, when known")},
        path=text(),
        line=count("from 1; 0: the whole file"),
        column=count(),
        severity={"enum": ["error", "warning"]},
        code=text(),
        message=text(),
        hint=text("the next step"),
    ),
    "Problems": document(problems=list_of(ref("Problem"))),
    "HostRow": obj(
        host=text(),
        verdict=ref("Verdict"),
        why=text(),
        since=moment("since when the verdict holds, as far as known"),
        seenAt=moment("the last look that got through"),
        commit=text("the commit that a look last found it to be as"),
    ),
    "Resource": obj(
        {"host": text()},
        kind=text(),
        name=text(),
        verdict=ref("Verdict"),
        why=text(),
        fields=list_of(ref("Field"), "what differs: the host's side before, Git's after"),
        since=moment(),
        source=or_null(ref("Source")),
        origin={"enum": ["created", "found", None]},
        appliedAt=moment(),
        appliedCommit=text(),
        tries=count(),
        nextTry=moment(),
    ),
    "Event": obj(
        {
            "action": {"enum": [action.value for action in Action]},
            "reason": {"enum": [reason.value for reason in Reason]},
            "drifted": flag("edited and drifted at once"),
            "onRemove": text(),
            "result": {"enum": ["", *(result.value for result in Result)]},
            "message": text(),
            "seconds": {"type": ["number", "null"]},
            "round": count(),
            "wave": count(),
            "plan": text(),
            "commit": text(),
            "source": or_null(ref("Source")),
            "seen": {"enum": ["unknown", "present", "absent"]},
            "why": text(),
            "code": text(),
            "until": moment(),
            "fields": list_of(ref("Field")),
        },
        at=moment(),
        what={"enum": ["change", "seen", "done", "trouble"]},
        host=text(),
        kind=text(),
        name=text(),
    ),
    "Pause": obj(selector=text(), why=text(), who=text(), until=moment()),
    "RolledBack": obj(
        kind=text(),
        name=text(),
        inGit=text("the version that Git says; when it says another, this is over"),
        version=text("the version that was put back"),
        commit=text("whose version that is"),
        hosts=count(),
        by=text(),
        why=text(),
    ),
    "Guard": {
        "type": "object",
        "additionalProperties": True,
        "description": "rule, count, total, limit, message, who approved",
    },
    "Round": obj(
        id=count(),
        plan=text("id of its plan"),
        openedAt=moment(),
        closedAt=moment("null: still running"),
        outcome=text(),
        waves=count(),
        summary={"type": "object", "additionalProperties": count(), "description": "resources by action"},
        guards=list_of(ref("Guard")),
        groups=list_of(
            obj(
                action={"enum": [action.value for action in Action]},
                reason={"enum": [reason.value for reason in Reason]},
                kind=text(),
                name=text(),
                fields=list_of(ref("Field")),
                source=or_null(ref("Source")),
                onRemove=text(),
                wave=count("the first that has it"),
                hosts=count(),
                ok=count(),
                failed=count(),
                other=count("skipped, stale or lost"),
                open=count("without an outcome"),
                why=text("what a failed one said"),
                some=list_of(text(), "the first hosts"),
            ),
            "equal changes of many hosts are one group",
        ),
        more=count("groups that are not shown"),
        byWave=list_of(obj(wave=count(), hosts=count(), ok=count(), failed=count())),
    ),
    "Waiting": obj(
        id=text("what an approval names"),
        summary={"type": "object", "additionalProperties": count(), "description": "resources by action"},
        guards=list_of(ref("Guard")),
        waves=list_of(count(), "hosts of each wave"),
        groups=list_of(
            obj(
                action={"enum": [action.value for action in Action]},
                reason={"enum": [reason.value for reason in Reason]},
                kind=text(),
                name=text(),
                fields=list_of(ref("Field")),
                onRemove=text(),
                source=or_null(ref("Source")),
                hosts=count(),
                some=list_of(text(), "the first hosts"),
                notes=list_of(text()),
            )
        ),
        more=count("groups that are not shown"),
    ),
    "Hold": obj(
        wave=count("that failed"),
        why=text(),
        failed=list_of(text(), "hosts on which it failed"),
        hosts=count("that wait for it"),
        changes=count("that wait for it"),
        retryAt=moment("null: it is tried again now"),
    ),
    "LastRound": obj(
        id=count(),
        plan=text(),
        commit=text(),
        openedAt=moment(),
        closedAt=moment("null: still running"),
        outcome=text(),
        waves=count(),
        hosts=count(),
        failedHosts=count(),
        endedHosts=count(),
    ),
    "EventStream": obj(
        counts=ref("Counts"),
        total=count(),
        commit=text("what is held"),
        rows=list_of(obj({"commit": text()}, host=text(), verdict=text("empty: it left the fleet"), why=text())),
        more=count("changed rows that are not among `rows`"),
        missed=flag("what came before is no longer known: ask the page anew"),
        trouble=text("why the state can't be read now; empty: it can"),
        format={"const": 1},
    ),
}

ANSWERS: dict[str, Schema] = {
    "status": document(
        {
            "mode": {"enum": ["enforce", "observe"]},
            "facets": {
                "type": "object",
                "description": "verdicts by the values of a label",
                "additionalProperties": obj(
                    values=list_of(obj(value=text(), counts=ref("Counts"), total=count())), more=count()
                ),
            },
            "oldestLook": moment(),
            "newestLook": moment(),
            "neverSeen": count(),
            "observeEvery": {"type": "number", "description": "seconds"},
            "nextLook": moment(),
            "stale": flag("nobody has looked for two times observeEvery"),
            "left": list_of(text(), "hosts that left Git and still have what trueup made"),
            "pauses": list_of(ref("Pause")),
            "rollbacks": list_of(ref("RolledBack"), "what is to be as it was, though Git says otherwise"),
            "hold": or_null(ref("Hold")),
        },
        now=moment(),
        fleet=text(),
        branch=text(),
        commit=ref("Commit"),
        tip=or_null(obj({"subject": text()}, id=text(), standing=text(), errors=count())),
        counts=ref("Counts"),
        total=count(),
        hosts=list_of(ref("HostRow"), "the worst that are not Converged"),
        more=count(),
        last=or_null(ref("LastRound")),
        refusal=list_of(
            ref("Problem"), "why no round can be walked now (a full disk, a repository that is gone); else empty"
        ),
        fetchTrouble=text("why the remote repository could not be fetched last; what was fetched before holds"),
        content=list_of(ref("Problem"), "sources outside the repository that can't be asked; what they were holds"),
    ),
    "hosts": document(hosts=list_of(ref("HostRow")), matching=count(), counts=ref("Counts"), total=count(), next=NEXT),
    "host": document(
        now=moment(),
        host=text(),
        verdict=ref("Verdict"),
        why=text(),
        since=moment(),
        seenAt=moment(),
        commit=text(),
        next=text("what to do about it"),
        wanted=ref("Commit"),
        labels={"type": "object", "additionalProperties": text()},
        address=text(),
        mode={"enum": ["enforce", "observe"]},
        source=ref("Source"),
        trouble=text("why the last visit did not get through"),
        troubleSince=moment(),
        triedAt=moment(),
        was=text("the verdict by the last readings"),
        paused=or_null(ref("Pause")),
        resources=list_of(ref("Resource")),
        counts=ref("Counts"),
        total=count(),
        more=count(),
        unmanaged=list_of(obj(kind=text(), name=text(), since=moment())),
        day=list_of(obj(**{"from": moment(), "to": moment(), "verdict": {"enum": [*VERDICT["enum"], None]}})),
        events=list_of(ref("Event")),
        facts=STATE,
        factsAt=moment(),
    ),
    "one": document(
        now=moment(),
        host=text(),
        wanted=ref("Commit"),
        resource=ref("Resource"),
        seen=or_null(
            obj(
                **{"from": moment(), "to": moment()},
                kind=text(),
                name=text(),
                seen={"enum": ["unknown", "present", "absent"]},
                right={"type": ["boolean", "null"]},
                why=text(),
                state=STATE,
            )
        ),
        seenAt=moment(),
        spec={**STATE, "description": "what its manifest says; secrets are masked"},
        moment={**STATE, "description": "what was read and differs at each look; empty: nothing is"},
        events=list_of(ref("Event")),
        next=NEXT,
    ),
    "history": document(events=list_of(ref("Event")), next=NEXT),
    "commits": document(commits=list_of(ref("CommitRead")), next=NEXT),
    "commit": document(
        commit=ref("CommitRead"),
        problems=list_of(ref("Problem")),
        rounds=list_of(ref("Round")),
        held=flag("in force now"),
        plan={**or_null(ref("Waiting")), "description": "of a commit that a guard stops: what it would do now"},
    ),
    "problems": document(commit={"anyOf": [ref("CommitRead"), ref("Commit")]}, problems=list_of(ref("Problem"))),
    "kinds": document(
        kinds=list_of(obj(kind=text(), description=text(), names=count(), resources=count(), differ=count()))
    ),
    "kind": document(
        kind=text(),
        description=text(),
        resources=list_of(
            obj(name=text(), hosts=count(), counts=ref("Counts"), differ=count(), source=or_null(ref("Source")))
        ),
        matching=count(),
        total=count(),
        next=NEXT,
    ),
    "resource": document(
        kind=text(),
        name=text(),
        sources=list_of(ref("Source")),
        selectors=list_of(text()),
        hosts=list_of(ref("Resource")),
        differ=count(),
        total=count(),
        next=NEXT,
    ),
    "reports": document(reports=list_of(obj(name=text(), title=text(), description=text()))),
    "report": document(
        report=text(),
        now=moment(),
        fleet=text(),
        commit=ref("Commit"),
        hosts=count(),
        neverSeen=count(),
        oldestLook=moment(),
        title=text(),
        description=text(),
        columns=list_of(text()),
        rows=list_of(list_of(ANY), "one cell a column"),
        cut=flag("there are more rows than are shown"),
    ),
}
"""By question: what the page of it answers as JSON."""
