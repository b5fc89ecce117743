"""A psycopg pipeline that sends its statements together.

psycopg's own pipeline sends each statement as it comes: a system call here and a wake-up of the server for each, together dearer than most
of our statements. This one holds them until somebody wants to know an answer, then sends all in one piece. Nothing else changes.

It overrides two generators of psycopg that are not public; `tests/integration/test_database.py` fails when they change their ways.
"""

from typing import Any

from psycopg import AsyncConnection, AsyncPipeline
from psycopg.abc import PQGen
from psycopg.generators import send
from psycopg.rows import TupleRow


class HeldPipeline(AsyncPipeline):
    """Holds statements until results are fetched or the pipeline is synchronised."""

    def __init__(self, connection: AsyncConnection[Any]) -> None:
        super().__init__(connection)
        self._synchronised = False

    def _enqueue_sync(self) -> None:
        super()._enqueue_sync()
        self._synchronised = True

    def _communicate_gen(self) -> PQGen[None]:
        """Do nothing where psycopg sends what is queued and looks for answers."""
        yield from ()

    def _fetch_gen(self, *, flush: bool) -> PQGen[None]:
        """Send what is held, then wait for all answers."""
        while self.command_queue:
            self.command_queue.popleft()()
        # Without either the server would keep its answers until its buffer is full.
        if flush and not self._synchronised and self.result_queue:
            self.pgconn.send_flush_request()
        self._synchronised = False
        yield from send(self.pgconn)
        yield from super()._fetch_gen(flush=False)


class HoldingConnection(AsyncConnection[TupleRow]):
    """A connection whose pipelines hold what they are given."""

    def hold(self) -> None:
        """Make the next `pipeline()` a held one."""
        self._pipeline = HeldPipeline(self)
