from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notify.channels.base import Answer, Sent
from notify.channels.http_client import LeanClient
from notify.channels.outcome import LATE, NotTaken, send_by
from notify.outbox import LEAST, START, Outbox, Window

LANE: Any = SimpleNamespace()


def answers(window: Window, seconds: float, moment: float, count: int = 10) -> float:
    for _ in range(count):
        moment += 0.02
        window.answered(seconds, moment)
    return moment


def test_a_road_that_answers_quickly_gets_more_places_up_to_the_limit() -> None:
    window, moment = Window(800, 15.0, 0.0), 0.0
    for _ in range(10):
        moment = answers(window, 0.1, moment)
    assert window.size == 800


def test_a_road_that_is_slow_to_answer_loses_places_before_anything_times_out() -> None:
    window, moment = Window(800, 15.0, 0.0), 0.0
    for _ in range(40):
        moment = answers(window, 6.0, moment)
    assert window.size == LEAST


def test_answers_that_never_come_halve_the_places_once_a_second() -> None:
    window = Window(800, 15.0, 0.0)
    for i in range(20):
        window.unanswered(5.0 + i * 0.01)
    assert window.size == START // 2


@given(st.lists(st.tuples(st.floats(0, 20), st.floats(0, 0.5), st.booleans()), max_size=300), st.integers(1, 900))
def test_whatever_happens_there_is_a_place_and_never_more_than_allowed(
    happenings: list[tuple[float, float, bool]], most: int
) -> None:
    window, moment = Window(most, 15.0, 0.0), 0.0
    for seconds, gone, lost in happenings:
        moment += gone
        window.unanswered(moment) if lost else window.answered(seconds, moment)
        assert 1 <= window.size <= most


def test_no_more_are_on_the_way_than_there_are_places_and_the_urgent_overtake() -> None:
    async def play() -> tuple[int, list[int]]:
        busy, most, order, gate = 0, 0, [], asyncio.Event()

        async def send(_lane: Any, _channel: Any, row: int) -> Sent:
            nonlocal busy, most
            busy += 1
            most = max(most, busy)
            order.append(row)
            await gate.wait()
            busy -= 1
            return Sent(Answer.ACCEPTED)

        outbox = Outbox(None, Window(16, 15.0, time.monotonic()), send, time.monotonic)
        outbox.put(LANE, list(range(100)), urgent=False)
        await asyncio.sleep(0)
        outbox.put(LANE, [1000, 1001], urgent=True)
        await asyncio.sleep(0)
        urgent_started = list(order)
        gate.set()
        while busy or len(outbox):
            await asyncio.sleep(0.001)
        assert sorted(order) == [*range(100), 1000, 1001]
        return most, urgent_started

    most, started = asyncio.run(play())
    assert most <= 16 + 16 // 8 + 1
    assert {1000, 1001} <= set(started), "what is urgent has places of its own"


def test_no_byte_leaves_after_the_moment_by_which_it_had_to() -> None:
    async def play() -> list[bytes]:
        seen: list[bytes] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            seen.append(await reader.read(1000))
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        client = LeanClient(5.0, 0)
        await client.open()
        send_by.set(time.monotonic() - 0.001)
        with pytest.raises(NotTaken, match=LATE):
            await client.request("POST", f"http://127.0.0.1:{port}/x", data={"To": "1"})
        await client.close()
        await asyncio.sleep(0.05)
        server.close()
        return seen

    assert asyncio.run(play()) in ([], [b""])
