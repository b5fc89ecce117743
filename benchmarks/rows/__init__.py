"""The rows of the benchmark, in the order in which they run."""

from collections.abc import Callable, Mapping

from benchmarks.bench import Bench
from benchmarks.figures import Row
from benchmarks.rows import bulk, cells, growth, lone, open_loop, processes, rest, rpc

RowFunction = Callable[[Bench], Row]

ROWS: Mapping[str, RowFunction] = {
    "rest_1": rest.rest_1,
    "rest_64": rest.rest_64,
    "rest_256": rest.rest_256,
    "rest_hot": rest.rest_hot,
    "grpc_unary": rpc.grpc_unary,
    "grpc_envelope": rpc.grpc_envelope,
    "bulk_rpc": bulk.bulk_rpc,
    "bulk_rpc_hot": bulk.bulk_rpc_hot,
    "bulk_rest": bulk.bulk_rest,
    "lone": lone.lone,
    "open_half": open_loop.open_half,
    "overload": open_loop.overload,
    "processes_2": processes.processes_2,
    "cells_4": cells.cells_4,
    "growth": growth.growth,
}

FULL_ONLY: frozenset[str] = frozenset({"growth"})
"""Rows that take many minutes."""
