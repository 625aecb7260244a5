"""`trueup report`."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from . import exits


class Form(str, Enum):
    md = "md"
    html = "html"
    csv = "csv"
    json = "json"


def report(
    name: Annotated[str, typer.Argument(help="Which report; without it, those that there are.")] = "",
    format: Annotated[Form, typer.Option(help="How to print it.")] = Form.md,
) -> None:
    """Answer a question over the whole fleet, from what was observed.

    Examples:

      trueup report

      trueup report accounts

      trueup report drift --format csv
    """
    from .. import door
    from ..settings import load
    from ._show import as_json

    if not name:
        listed = door.ask(load(), "reports", {})
        if format is Form.json:
            as_json(listed)
        else:
            for one in listed["reports"]:
                print(f"{one['name']:12}  {one['description']}")
        raise SystemExit(exits.OK)
    answer = door.ask(load(), "report", {"report": name})
    if format is Form.json:
        as_json(answer)
        raise SystemExit(exits.OK)
    from ..tell import report as tell

    if format is Form.csv:
        print(tell.comma_separated(answer), end="")
    else:
        made = tell.html if format is Form.html else tell.markdown
        print(made(answer, tell.template(name, format.value)), end="")
    raise SystemExit(exits.OK)
