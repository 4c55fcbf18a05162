"""The life of a server: gates open, are counted and held to turning, drain at a stop, and close."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from starlette.applications import Starlette

from wardline.serving.drain import drain_first
from wardline.serving.lifeline import SUPERVISED, hold
from wardline.serving.state import State
from wardline.settings import ServingSettings

Lifespan = Callable[[Starlette], AbstractAsyncContextManager[None]]


def lifespan(states: Sequence[State], settings: ServingSettings) -> Lifespan:
    """Return the lifespan of an app that serves these gates.

    They open one after the other, for how quick a model is in its warm-up decides where it runs.
    """

    @asynccontextmanager
    async def live(_: Starlette) -> AsyncIterator[None]:
        for state in states:
            if state.opened is None:
                await asyncio.to_thread(state.open)
        turns = [turn for state in states for turn in (state.metrics.tick(), state.keep_opening())]
        if SUPERVISED in os.environ:
            turns.append(hold(states, settings.stuck_s))
        tasks = [asyncio.create_task(turn) for turn in turns]
        drain_first(lambda: any([state.drain() for state in states]), settings.drain_s)  # noqa: C419 - each drains
        yield
        for task in tasks:
            task.cancel()
        for state in states:
            await asyncio.to_thread(state.close)

    return live
