"""The OpenAPI 3.1 document of the page, made from its table of pages and the shapes of its answers."""

from __future__ import annotations

from functools import cache

from ...core.model import Json
from .address import Page
from .answers import SCHEMAS, ref
from .live import CAP, PING
from .paths import ANSWERS, PAGES


@cache
def document() -> dict[str, Json]:
    """The whole document. The same for every fleet."""
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "trueup, the status page",
            "version": "1",
            "summary": "What a fleet is, read-only.",
            "description": "Documents carry `format`: new fields may come without it changing. Any method but GET and HEAD is 405.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {**{_path(page): {"get": _get(page)} for page in PAGES}, **_others()},
        "components": {"schemas": SCHEMAS},
    }


def _path(page: Page) -> str:
    return page.path.replace(":path}", "}")


def _get(page: Page) -> dict[str, Json]:
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}, "description": _segment(name)}
        for name in page.names
    ]
    in_query = [
        {
            "name": param.name,
            "in": "query",
            "required": False,
            "description": param.meaning,
            "schema": {"type": "string", **({"enum": list(param.choices)} if param.choices else {})},
        }
        for param in page.params
    ]
    refusals = {"400": "an argument is of a wrong form", "503": "the state can't be read now"}
    if page.names:
        refusals["404"] = "there is none of this name"
    return {
        "operationId": page.ask,
        "summary": page.summary,
        "parameters": in_path + in_query,
        "responses": {
            "200": {
                "description": "As JSON where Accept prefers it, or with `.json` behind the path (`/index.json` for `/`); else a page.",
                "content": {"application/json": {"schema": ANSWERS[page.ask]}, "text/html": {}},
            },
            **{code: _refusal(why) for code, why in sorted(refusals.items())},
        },
    }


def _segment(name: str) -> str:
    return "a name, percent-encoded as one segment: `/etc/motd` is `%2Fetc%2Fmotd`" if name == "name" else "a name"


def _refusal(why: str) -> dict[str, Json]:
    return {"description": why, "content": {"application/json": {"schema": ref("Problems")}, "text/html": {}}}


def _others() -> dict[str, Json]:
    ok = {"type": "object", "properties": {"format": {"const": 1}, "ok": {"const": True}}, "required": ["format", "ok"]}
    check = {
        "type": "object",
        "properties": {"check": {"type": "string"}, "ok": {"type": "boolean"}, "says": {"type": "string"}},
        "required": ["check", "ok", "says"],
    }
    ready = {
        "type": "object",
        "properties": {
            "format": {"const": 1},
            "ready": {"type": "boolean"},
            "checks": {"type": "array", "items": check},
        },
        "required": ["format", "ready", "checks"],
    }
    return {
        "/healthz": {
            "get": {
                "operationId": "health",
                "summary": "Whether the process answers; says nothing of the state or the fleet. Asks for no token.",
                "responses": {"200": {"description": "it does", "content": {"application/json": {"schema": ok}}}},
            }
        },
        "/readyz": {
            "get": {
                "operationId": "ready",
                "summary": "Whether trueup does its work: the loop turns, the state can be written, a round ended lately.",
                "responses": {
                    "200": {"description": "it does", "content": {"application/json": {"schema": ready}}},
                    "503": {"description": "it doesn't, and why", "content": {"application/json": {"schema": ready}}},
                },
            }
        },
        "/metrics": {
            "get": {
                "operationId": "metrics",
                "summary": "Its numbers, in Prometheus' text format 0.0.4.",
                "responses": {"200": {"description": "families of samples", "content": {"text/plain": {}}}},
            }
        },
        "/openapi.json": {
            "get": {
                "operationId": "openapi",
                "summary": "This document.",
                "responses": {"200": {"description": "OpenAPI 3.1", "content": {"application/json": {}}}},
            }
        },
        "/events": {
            "get": {
                "operationId": "events",
                "summary": "Counts and changed rows, at most one event a second.",
                "description": f"Events are named `fleet`; their data is JSON. A comment every {PING:g} s; at most {CAP} streams.",
                "parameters": [
                    {
                        "name": "host",
                        "in": "query",
                        "required": False,
                        "description": "only these hosts' rows",
                        "schema": {"type": "array", "items": {"type": "string"}},
                    },
                    {
                        "name": "since",
                        "in": "query",
                        "required": False,
                        "description": "the id of the last event that was had; the header Last-Event-ID says the same",
                        "schema": {"type": "string"},
                    },
                ],
                "responses": {
                    "200": {
                        "description": "a stream",
                        "content": {"text/event-stream": {"schema": ref("EventStream")}},
                    },
                    "503": {"description": "too many streams", "content": {"text/plain": {}}},
                },
            }
        },
    }
