"""What happened, a line an event, newest first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..core.model import Json
from . import fields
from .clean import clean
from .words import ACTIONS, RESULTS, Manner, moment, short

Event = Mapping[str, Json]


def text(answer: Mapping[str, Json], manner: Manner, *, with_host: bool = True, full: bool = False) -> str:
    """The answer to `history`."""
    return manner.write(_text(answer, manner, with_host, full))


def _text(answer: Mapping[str, Json], manner: Manner, with_host: bool, full: bool) -> Iterator[str]:
    if not answer["events"]:
        yield "Nothing happened yet."
        return
    yield from lines(answer["events"], manner, with_host=with_host, full=full)
    if answer["next"]:
        yield manner.soft(f"… more: --after {answer['next']}")


def lines(events: Sequence[Event], manner: Manner, *, with_host: bool = True, full: bool = False) -> Iterator[str]:
    day = ""
    for event in events:
        at = moment(event["at"])
        local = at.astimezone() if at is not None else None
        today = local.strftime("%Y-%m-%d %z") if local is not None else "?"
        if today != day:
            day = today
            yield manner.bold(day)
        yield manner.fit(f"  {local.strftime('%H:%M:%S') if local else '?':8}  {_words(event, manner, with_host)}")
        if full and event.get("fields"):
            sides = ("before", "after")
            yield from fields.lines(event["fields"], manner, indent="      ", before=sides[0], after=sides[1])


def _words(event: Event, manner: Manner, with_host: bool) -> str:
    host = f"{clean(event['host'])}  " if with_host else ""
    names = ", ".join(clean(str(field["path"])) for field in event.get("fields", ()))
    match event["what"]:
        case "change":
            sign = ACTIONS.get(event["action"], ("·", "-"))[0 if manner.utf8 else 1]
            what = f"{sign} {host}{clean(event['kind'])} {clean(event['name'])}"
            detail = event["onRemove"] if event["action"] == "delete" else names if event["action"] != "create" else ""
            parts = [what, clean(str(detail)), event["reason"], f"{short(event['commit'])} round {event['round']}"]
            result = event["result"]
            word = manner.paint(f"{manner.symbol(RESULTS.get(result, ''))} {result or 'not reached'}", "")
            said = f": {clean(event['message'])}" if event["message"] and result != "ok" else ""
            why = f"  ({clean(event['why'])})" if event.get("why") else ""
            return "  ".join(part for part in parts if part) + f"{why}  {word}{said}"
        case "seen":
            what = f"{manner.symbol('Drifted')} {host}{clean(event['kind'])} {clean(event['name'])}"
            if event["seen"] == "unknown":
                return f"{manner.symbol('Unknown')} {host}{clean(event['kind'])} {clean(event['name'])}  can't be read: {clean(event['why'])}"
            if event["seen"] == "absent":
                return f"{what}  is gone, by hand"
            return f"{what}  {names}  by hand"
        case "done":
            result = event["result"]
            return f"{host}{clean(event['why'])}  {manner.symbol(RESULTS.get(result, ''))} {result}"
        case _:
            until = moment(event.get("until"))
            end = f" until {until.astimezone().strftime('%Y-%m-%d %H:%M:%S')}" if until is not None else ", still so"
            return f"{manner.symbol('Unknown')} {host}{clean(event['why'])}{end}"
