"""A database whose transactions are spans."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from shared.crash_points import operation_of
from shared.database import Connection, Database, Sync
from shared.tracing.tracing import Tracing

T = TypeVar("T")


class TracedDatabase(Database):
    """Names each transaction of a trace that is kept after the operation that it belongs to."""

    def __init__(self, tracing: Tracing, url: str, schema: str, *, pool_size: int, application_name: str) -> None:
        super().__init__(url, schema, pool_size=pool_size, application_name=application_name)
        self._tracing = tracing
        self._schema = schema

    async def transact(self, work: Callable[[Connection], Awaitable[T]], *, marked: bool = False) -> T:
        """Run `work` in one transaction, within a span."""
        with self._tracing.span(_name(work), attributes={"db.system": "postgresql", "db.namespace": self._schema}):
            return await super().transact(work, marked=marked)

    async def transact_pipelined(self, work: Callable[[Connection, Sync], Awaitable[T]]) -> T:
        """Run `work` in one transaction, its statements sent together, within a span."""
        with self._tracing.span(_name(work), attributes={"db.system": "postgresql", "db.namespace": self._schema}):
            return await super().transact_pipelined(work)

    async def transact_at_once(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Run `work` in one transaction of one round trip, within a span."""
        with self._tracing.span(_name(work), attributes={"db.system": "postgresql", "db.namespace": self._schema}):
            return await super().transact_at_once(work)


def _name(work: object) -> str:
    return f"transaction {operation_of(work)}"
