"""A psycopg pipeline that sends its statements together.

psycopg's own pipeline sends each statement as it comes: a system call here and a wake-up of the server for each, together dearer than most
of our statements. This one holds them until somebody wants to know an answer, then sends all in one piece. Nothing else changes.

It overrides and runs generators of psycopg that are not public; `tests/integration/test_database.py` fails when they change their ways.
"""

from typing import Any

from psycopg import AsyncConnection, AsyncCursor, AsyncPipeline
from psycopg.abc import Params, PQGen, Query
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
    """A connection whose pipelines hold what they are given, and which can carry out what it was told in one round trip."""

    _noted: list[tuple[AsyncCursor[TupleRow], Query, Params | None]] | None = None

    def hold(self) -> None:
        """Make the next `pipeline()` a held one."""
        self._pipeline = HeldPipeline(self)

    async def execute(self, query: Any, params: Params | None = None, **options: Any) -> AsyncCursor[TupleRow]:
        """Execute a statement as psycopg does; after `note`, only remember it."""
        if self._noted is None:
            return await super().execute(query, params, **options)
        cursor = self.cursor()
        self._noted.append((cursor, query, params))
        return cursor

    def note(self) -> None:
        """Remember the statements that follow, for `carry_out`."""
        self._noted = []

    def forget(self) -> None:
        """Drop what was remembered."""
        self._noted = None

    async def carry_out(self) -> None:
        """Carry out what was remembered as one transaction, in one round trip; raise the error of the first that fails, with nothing done.

        The cursors have their rows and row counts afterwards. It is the implicit transaction of a pipeline, which ends at its
        synchronisation: no BEGIN and no COMMIT, and nothing to roll back.
        """
        async with self.lock:
            await self.wait(self._carry_out_gen())

    def _carry_out_gen(self) -> PQGen[None]:
        noted, self._noted = self._noted or [], None
        pipeline = self._pipeline = HeldPipeline(self)
        failure: BaseException | None = None
        yield from pipeline._enter_gen()
        try:
            for cursor, query, params in noted:
                yield from cursor._execute_gen(query, params)
            yield from pipeline._exit_gen()
        except BaseException as error:
            failure = error
            # The server skipped what came after the failure, and with it statements that the driver takes for prepared.
            self._prepared.clear()
            raise
        finally:
            pipeline._exit(failure)
            self._pipeline = None
