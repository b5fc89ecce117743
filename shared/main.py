"""Run a process until it is told to stop, then let it end its work."""

import asyncio
import gc
import signal
from collections.abc import Callable
from typing import Protocol

import structlog
import uvloop

from shared.crash_points import arm
from shared.heartbeat import keep_beating
from shared.open_files import raise_open_files
from shared.settings import CommonSettings
from shared.telemetry import configure_logging

YOUNG_OBJECTS = 20_000
"""New objects between two collections. The calls of one batch make thousands that are all alive together; looking at them every 700, as is
usual, finds no garbage."""


class App(Protocol):
    """A composed process."""

    async def start(self) -> None:
        """Open what it needs and begin to serve."""
        ...

    async def stop(self) -> None:
        """End what is in flight and close everything."""
        ...


def collect_rarely() -> None:
    """Collect garbage now, and from now on rarely.

    What start-up made lives as long as the process: keeping it out of the collector's sight makes every later collection cheaper.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 10, 10)


def run(service: str, settings: CommonSettings, build: Callable[[], App]) -> None:
    """Run the app that `build` composes until SIGTERM or SIGINT. `build` is called inside the event loop."""
    configure_logging(settings, service)
    arm(settings, service)
    raise_open_files()
    uvloop.run(_run(service, settings, build))


async def _run(service: str, settings: CommonSettings, build: Callable[[], App]) -> None:
    log = structlog.get_logger(service)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    app = build()
    await app.start()
    collect_rarely()
    log.info("serving")
    beating = asyncio.create_task(keep_beating(settings.heartbeat_file))
    await stopping.wait()
    beating.cancel()
    log.info("stopping")
    await app.stop()
    log.info("stopped")
