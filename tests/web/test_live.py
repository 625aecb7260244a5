"""Streams: one poller, ids, resuming, a cap, a quick end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable

from reconciler.web.page.live import Hub, Moment


def moment(**verdicts: str) -> Moment:
    counts = {word: list(verdicts.values()).count(word) for word in ("Failed", "Converged")}
    rows = {host: {"host": host, "verdict": word, "why": ""} for host, word in verdicts.items()}
    return Moment(summary={"counts": counts, "total": len(rows)}, rows=rows)


class World:
    def __init__(self) -> None:
        self.now = moment(a="Converged", b="Converged")
        self.looks = 0
        self.broken = False

    async def look(self) -> Moment:
        self.looks += 1
        if self.broken:
            raise OSError("disk")
        return self.now


class Reader:
    """Reads a stream as a browser does: events by id, comments apart."""

    def __init__(self, stream: AsyncIterator[str]) -> None:
        self.stream = stream
        self.last = ""

    async def event(self) -> dict[str, object]:
        async for chunk in self.stream:
            lines = dict(line.split(": ", 1) for line in chunk.strip().split("\n") if not line.startswith(":"))
            if "data" in lines:
                self.last = lines["id"]
                return dict(json.loads(lines["data"]))
        raise EOFError


def run(test: Callable[[World, Hub], Awaitable[None]]) -> None:
    async def inside() -> None:
        world = World()
        hub = Hub(look=world.look, every=0.01, ping=0.05, cap=2)
        try:
            await asyncio.wait_for(test(world, hub), 5)
        finally:
            hub.end()

    asyncio.run(inside())


def test_greets_with_the_counts_and_then_sends_only_rows_that_changed() -> None:
    async def story(world: World, hub: Hub) -> None:
        reader = Reader(hub.stream())
        hello = await reader.event()
        assert hello["counts"] == {"Failed": 0, "Converged": 2}
        assert hello["rows"] == []
        world.now = moment(a="Failed", b="Converged")
        told = await reader.event()
        assert told["counts"] == {"Failed": 1, "Converged": 1}
        assert told["rows"] == [{"host": "a", "verdict": "Failed", "why": ""}]

    run(story)


def test_a_stream_gets_the_rows_of_its_own_page_and_hears_how_many_others_changed() -> None:
    async def story(world: World, hub: Hub) -> None:
        reader = Reader(hub.stream(hosts=frozenset({"b"})))
        await reader.event()
        world.now = moment(a="Failed", b="Failed")
        told = await reader.event()
        assert [row["host"] for row in told["rows"]] == ["b"]  # type: ignore[attr-defined]
        assert told["more"] == 1

    run(story)


def test_who_comes_back_with_an_id_is_told_what_was_missed() -> None:
    async def story(world: World, hub: Hub) -> None:
        here = Reader(hub.stream())
        gone = Reader(hub.stream())
        await here.event()
        await gone.event()
        await gone.stream.aclose()  # type: ignore[attr-defined]
        world.now = moment(a="Failed", b="Converged")
        await here.event()
        world.now = moment(a="Failed", b="Failed")
        await here.event()
        back = Reader(hub.stream(since=gone.last))
        told = await back.event()
        assert [row["host"] for row in told["rows"]] == ["a", "b"]  # type: ignore[attr-defined]
        assert told["missed"] is False

    run(story)


def test_changes_while_nobody_looked_are_told_to_who_comes_back() -> None:
    async def story(world: World, hub: Hub) -> None:
        first = Reader(hub.stream())
        await first.event()
        await first.stream.aclose()  # type: ignore[attr-defined]
        await asyncio.sleep(0.03)
        looks = world.looks
        await asyncio.sleep(0.05)
        assert world.looks == looks, "nobody reads, nobody looks"
        world.now = moment(a="Failed", b="Converged")
        told = await Reader(hub.stream(since=first.last)).event()
        assert [row["host"] for row in told["rows"]] == ["a"]  # type: ignore[attr-defined]

    run(story)


def test_a_new_reader_is_never_greeted_with_what_was_true_when_the_last_one_left() -> None:
    async def story(world: World, hub: Hub) -> None:
        first = Reader(hub.stream())
        await first.event()
        await first.stream.aclose()  # type: ignore[attr-defined]
        await asyncio.sleep(0.03)
        world.now = moment(a="Failed", b="Failed")
        hello = await Reader(hub.stream()).event()
        assert hello["counts"] == {"Failed": 2, "Converged": 0}

    run(story)


def test_an_id_of_another_process_or_nonsense_gets_a_greeting_that_says_so() -> None:
    async def story(world: World, hub: Hub) -> None:
        for since in ("deadbeef-3", "x", f"{hub.epoch}-99", f"{hub.epoch}--1", f"{hub.epoch}-²"):
            hello = await Reader(hub.stream(since=since)).event()
            assert hello["missed"] is True, since

    run(story)


def test_silence_is_broken_by_comments() -> None:
    async def story(world: World, hub: Hub) -> None:
        seen = []
        async for chunk in hub.stream():
            seen.append(chunk)
            if chunk.startswith(":"):
                break
        assert seen[0].startswith("retry:")
        assert "event: fleet" in seen[1]

    run(story)


def test_a_look_that_fails_is_told_once_and_so_is_its_end() -> None:
    async def story(world: World, hub: Hub) -> None:
        reader = Reader(hub.stream())
        await reader.event()
        world.broken = True
        assert (await reader.event())["trouble"] == "the state can't be read now"
        world.broken = False
        assert (await reader.event())["trouble"] == ""

    run(story)


def test_a_name_with_line_ends_can_not_forge_an_event() -> None:
    async def story(world: World, hub: Hub) -> None:
        stream = hub.stream()
        async for chunk in stream:
            if "event:" in chunk:
                break
        evil = "a\n\nevent: fleet\ndata: {}"
        world.now = moment(**{evil: "Failed"})
        async for chunk in stream:
            if "event:" in chunk:
                assert chunk.count("\n") == 4
                assert chunk.count("\nevent:") == 1
                break

    run(story)


def test_the_cap_is_seen_and_places_come_free() -> None:
    async def story(world: World, hub: Hub) -> None:
        one, two = hub.stream(), hub.stream()
        await anext(one)
        assert not hub.full
        await anext(two)
        assert hub.full
        await one.aclose()  # type: ignore[attr-defined]
        assert not hub.full

    run(story)


def test_end_ends_every_stream_at_once() -> None:
    async def story(world: World, hub: Hub) -> None:
        hub.ping = 60
        readers = [Reader(hub.stream()), Reader(hub.stream())]
        for reader in readers:
            await reader.event()
        waiting = [asyncio.create_task(reader.event()) for reader in readers]
        await asyncio.sleep(0.02)
        hub.end()
        ended = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 1)
        assert all(isinstance(end, EOFError) for end in ended)
        assert [chunk async for chunk in hub.stream()] == []

    run(story)
