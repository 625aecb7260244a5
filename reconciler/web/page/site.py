"""The app: each page asks one question, and gives the answer as HTML or, to who prefers it, as JSON."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from ...core.model import Json
from ...core.problem import Problem, Refused
from ...door.asks import LOOKS
from ...door.looking import store_of
from ...door.wire import ASKER_ERRS
from ...kinds import folders
from ...tell.metrics import CONTENT_TYPE
from ...world import World
from ..access import Access
from . import openapi, questions, words
from .address import Page
from .fragments import Fragments
from .guard import Guard
from .live import Hub, Moment
from .paths import PAGES
from .render import STATIC, Renderer

LOG = logging.getLogger("trueup.page")

Handler = Callable[[Request], Awaitable[Response]]
Asked = tuple[str, tuple[tuple[str, str], ...]]
"""A question and its arguments."""
Ask = Callable[[Any, Mapping[str, Json]], Mapping[str, Json]]

"""Codes of door/ that say the question itself is wrong."""
LONGEST = 1000
"""Characters of one argument; a longer one is refused before anything is asked."""
KEPT = 16
"""Answers of the present second that are kept: tabs and readers that ask the same get the same."""
BRIEF_FOR = 1.0
"""Seconds for which the counts in the tab's title may be reused on pages that are not about them."""
STREAM_HOSTS = 100
"""Hosts that one stream may name."""


class Condition(Protocol):
    """One condition of being ready."""

    @property
    def ok(self) -> bool: ...

    def json(self) -> dict[str, Json]: ...


class Daemon(Protocol):
    """What the daemon tells of itself."""

    def ready(self) -> Sequence[Condition]: ...

    def metrics(self) -> str: ...


def app(world: World, daemon: Daemon | None = None) -> Starlette:
    """The status page of `world`: an ASGI app that answers GET and HEAD, and nothing else. /readyz and /metrics are
    of `daemon`; there are none without it. Raises Refused when the settings of who may read can't be used.

    It asks `door.asks.LOOKS`, the questions that only look, in threads. `app.state.end_streams()` ends what is
    streaming, from any thread; `web.serve.run` calls it.
    """
    site = Pages(world, daemon)
    routes = [
        Route("/healthz", site.safe(site.health), methods=["GET"]),
        Route("/readyz", site.safe(site.ready), methods=["GET"]),
        Route("/metrics", site.safe(site.metrics), methods=["GET"]),
        Route("/openapi.json", site.safe(site.openapi), methods=["GET"]),
        Route("/events", site.safe(site.events), methods=["GET"]),
        Mount("/static", Kept(directory=STATIC), name="static"),
        *site.routes(),
    ]

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        site.hub.end()

    names = [name.strip() for name in world.settings.page_names.split(",") if name.strip()]
    made = Starlette(
        routes=routes,
        lifespan=lifespan,
        middleware=[Middleware(Guard, names=names, access=Access.of(world.settings))],
        exception_handlers={HTTPException: site.missing, Refused: site.refused},
    )
    made.router.redirect_slashes = False
    made.state.end_streams = site.hub.end
    made.state.hub = site.hub
    return made


class Kept(StaticFiles):
    """Static files under addresses that change with their content."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["cache-control"] = "public, max-age=31536000, immutable"
        return response


class Pages:
    def __init__(self, world: World, daemon: Daemon | None = None) -> None:
        self.world = world
        self.daemon = daemon
        self.asks: Mapping[str, Ask] = {**LOOKS, **questions.OWN}
        self.renderer = Renderer(Fragments(folders()))
        self.hub = Hub(look=self.moment)
        self._kept: dict[Asked, tuple[tuple[int, int, int], Mapping[str, Json]]] = {}
        self._moment: tuple[object, Moment] | None = None
        self._brief: tuple[float, Mapping[str, Json]] | None = None

    def routes(self) -> list[Route]:
        made = []
        for page in PAGES:
            if page.path == "/":
                made.append(Route("/index.json", self.safe(self.handler(page, as_json=True)), methods=["GET"]))
            made.append(Route(page.path, self.safe(self.handler(page)), methods=["GET"]))
            if not page.names:
                made.append(Route(f"{page.path}.json", self.safe(self.handler(page, as_json=True)), methods=["GET"]))
        return made

    async def ask(self, name: str, args: Mapping[str, str]) -> Mapping[str, Json]:
        """The answer, worked out anew unless the same was asked in this second and nothing was written since."""
        key = (name, tuple(sorted(args.items())))
        moment = (store_of(self.world).db.generation, int(self.world.now()), int(time.monotonic()))
        kept = self._kept.get(key)
        if kept is not None and kept[0] == moment:
            return kept[1]
        answer = await run_in_threadpool(self.asks[name], self.world, args)
        self._kept.pop(key, None)
        self._kept[key] = (moment, answer)
        while len(self._kept) > KEPT:
            self._kept.pop(next(iter(self._kept)))
        return answer

    # ---------------------------------------------------------------- pages

    def handler(self, page: Page, as_json: bool = False) -> Handler:
        async def handle(request: Request) -> Response:
            args = arguments(page, request)
            json_wanted = as_json or prefers_json(request)
            try:
                answer = await self.ask(page.ask, args)
            except Refused as refused:
                # A name may end in .json itself: what has exactly this name comes first, the suffix second.
                last = page.names[-1] if page.names else ""
                if not last or not is_missing(refused) or not args[last].endswith(".json"):
                    raise
                json_wanted = True
                answer = await self.ask(page.ask, {**args, last: args[last].removesuffix(".json")})
            if json_wanted:
                return Json5(answer)
            if (
                page.ask == "hosts"
                and args.keys() == {"find"}
                and any(row["host"] == args["find"] for row in answer["hosts"])
            ):
                return RedirectResponse(f"/hosts/{words.segment(args['find'])}", status_code=303)
            title = page.title or (args[page.names[-1]] if page.names else "")
            if page.ask == "commit":
                title = title[:7]
            return await self.html(
                page.template,
                request,
                answer,
                section=page.section,
                title=title,
                args=args,
                json_here=suffixed(request),
            )

        return handle

    async def html(
        self, template: str, request: Request, answer: Mapping[str, Json], status: int = 200, **data: Json
    ) -> Response:
        brief = answer if template == "fleet.html" else await self.brief()
        text = await run_in_threadpool(
            self.renderer.page,
            template,
            self.world.now(),
            answer=answer,
            brief=brief,
            here=data.pop("section", ""),
            at=request.url.path,
            query=dict(request.query_params),
            **data,
        )
        return HTMLResponse(text, status_code=status, headers={"vary": "accept"})

    async def brief(self) -> Mapping[str, Json]:
        """The fleet's name, counts and held commit, for every page's head."""
        now = time.monotonic()
        if self._brief is None or now - self._brief[0] > BRIEF_FOR:
            self._brief = (now, await self.ask("status", {}))
        return self._brief[1]

    # ---------------------------------------------------------------- for programs

    async def health(self, request: Request) -> Response:
        """200 while the process answers. Says nothing of the state or the fleet."""
        return JSONResponse({"format": 1, "ok": True})

    async def ready(self, request: Request) -> Response:
        """200 while trueup does its work, 503 with what is wrong else. A failed host is no failure of trueup."""
        if self.daemon is None:
            raise HTTPException(404)
        parts = await run_in_threadpool(self.daemon.ready)
        well = all(part.ok for part in parts)
        answer = {"format": 1, "ready": well, "checks": [part.json() for part in parts]}
        return JSONResponse(answer, 200 if well else 503)

    async def metrics(self, request: Request) -> Response:
        if self.daemon is None:
            raise HTTPException(404)
        return Response(await run_in_threadpool(self.daemon.metrics), headers={"content-type": CONTENT_TYPE})

    async def openapi(self, request: Request) -> Response:
        return JSONResponse(openapi.document(), headers={"content-type": "application/json"})

    async def events(self, request: Request) -> Response:
        if request.method == "HEAD":
            return Response(media_type="text/event-stream")
        if self.hub.full:
            return PlainTextResponse("Too many open pages: try again later.\n", 503, headers={"retry-after": "30"})
        hosts = frozenset(request.query_params.getlist("host")[:STREAM_HOSTS])
        since = request.headers.get("last-event-id") or request.query_params.get("since", "")
        return StreamingResponse(
            self.hub.stream(since, hosts or None),
            media_type="text/event-stream",
            headers={"x-accel-buffering": "no", "cache-control": "no-store"},
        )

    async def moment(self) -> Moment:
        self._moment = await run_in_threadpool(questions.moment, self.world, self._moment)
        return self._moment[1]

    # ---------------------------------------------------------------- when it can't be answered

    async def missing(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        problem = Problem(code="no-such-page", message="there is no such page")
        if error.status_code == 400:
            problem = Problem(code="bad-question", message="this address asks for something that can't be meant")
        return await self.sorry(request, error.status_code, [problem])

    async def refused(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        return await self.sorry(request, status_of(error), list(error.problems))

    def safe(self, handle: Handler) -> Handler:
        """`handle`, whose faults end in a page of their own, under the same headers as any other, and in the log."""

        async def safely(request: Request) -> Response:
            try:
                return await handle(request)
            except (HTTPException, Refused):
                raise
            except Exception:
                LOG.exception("a page could not be made: %s", words.visible(request.url.path))
                return await self.broken(request)

        return safely

    async def broken(self, request: Request) -> Response:
        problem = Problem(
            code="bug",
            message="trueup has a fault: this page could not be made",
            hint="its log says where; please report it",
        )
        return await self.sorry(request, 500, [problem])

    async def sorry(self, request: Request, status: int, problems: list[Problem]) -> Response:
        if prefers_json(request) or request.url.path.endswith(".json"):
            return Json5({"format": 1, "problems": [problem.json() for problem in problems]}, status)
        try:
            return await self.html(
                "sorry.html",
                request,
                {"problems": [p.json() for p in problems]},
                status,
                title="Not here",
                json_here="",
            )
        except Exception:
            # Even the head of the page can't be made (the state is unreadable): plain words are better than nothing.
            text = "\n".join(f"{p.message}\n  next: {p.hint}" if p.hint else p.message for p in problems)
            return PlainTextResponse(words.visible(text) + "\n", status)


class Json5(JSONResponse):
    """JSON as it is, on one line, never cached."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, ensure_ascii=False, separators=(",", ":"), default=dict).encode("utf-8", "replace")


def arguments(page: Page, request: Request) -> dict[str, str]:
    """What the address says. Names that the page doesn't know are passed over; too long, unprintable or unknown choices are a 400."""
    args = {name: request.path_params[name] for name in page.names}
    for param in page.params:
        text = request.query_params.get(param.name, "").strip()
        if text and param.choices and text.lower() not in param.choices:
            raise HTTPException(400)
        if text:
            args[param.name] = text
    if any(len(text) > LONGEST or "\0" in text for text in args.values()):
        raise HTTPException(400)
    return args


def is_missing(refused: Refused) -> bool:
    """Whether what was asked for is not there: the codes for a name that nobody knows, and a filter that picks nobody."""
    return any(problem.code.startswith("unknown-") or problem.code == "no-host" for problem in refused.problems)


def status_of(refused: Refused) -> int:
    """404 for a name that nobody knows, 400 for a question that can't be meant, 503 when the state can't be read."""
    if is_missing(refused):
        return 404
    return 400 if any(problem.code in ASKER_ERRS for problem in refused.problems) else 503


def prefers_json(request: Request) -> bool:
    """Whether Accept ranks application/json above text/html (RFC 9110, 12.5.1); a browser never does."""
    best = {"application/json": 0.0, "text/html": 0.0}
    for part in request.headers.get("accept", "").split(","):
        kind, *params = (piece.strip().lower() for piece in part.split(";"))
        weight = 1.0
        for param in params:
            if param.startswith("q="):
                try:
                    weight = float(param[2:])
                except ValueError:
                    weight = 0.0
        if kind in best:
            best[kind] = max(best[kind], weight)
    return best["application/json"] > best["text/html"]


def suffixed(request: Request) -> str:
    """The address of the same page as JSON."""
    path = "/index" if request.url.path == "/" else request.scope.get("raw_path", b"").decode("ascii", "replace")
    query = f"?{request.url.query}" if request.url.query else ""
    return f"{path}.json{query}"


__all__ = ["Pages", "app"]
