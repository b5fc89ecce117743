"""Processor time and memory of every process of the system under test, by name."""

from collections.abc import Mapping

import psutil

from shared.local.stack import Stack


def _families(stack: Stack) -> dict[str, list[psutil.Process]]:
    """Return the processes by name; an engine's are its server and all its children."""
    found = {name: [psutil.Process(pid)] for name, pid in stack.pids().items()}
    for name, engine in stack.engines.items():
        server = psutil.Process(engine.pid)
        found[name] = [server, *server.children(recursive=True)]
    return found


def cpu_seconds(stack: Stack) -> dict[str, float]:
    """Return the processor time that each has spent so far, user and system together.

    A server that answers for its connections by children counts those that ended too, once it has buried them.
    """
    totals = {}
    for name, processes in _families(stack).items():
        total = 0.0
        for position, process in enumerate(processes):
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += times.user + times.system
            if position == 0:
                total += times.children_user + times.children_system
        totals[name] = total
    return totals


def memory_mib(stack: Stack) -> dict[str, float]:
    """Return the memory of each in MiB; pages that several processes share are divided among them where the system tells (Linux)."""
    totals = {}
    for name, processes in _families(stack).items():
        total = 0
        for process in processes:
            try:
                total += process.memory_full_info().pss if psutil.LINUX else process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        totals[name] = total / 2**20
    return totals


def microseconds_per_charge(before: Mapping[str, float], after: Mapping[str, float], charges: int) -> dict[str, float]:
    """Return what one charge cost each process, between two readings of `cpu_seconds`."""
    if charges == 0:
        return {}
    return {name: (after[name] - before.get(name, 0.0)) * 1e6 / charges for name in after}
