"""The ids of traces. They follow from the ids that calls and charges have anyway, so nothing needs to be stored for a trace.

The trace of a call has the call's id, a UUIDv7, which is also the id of the charge that the call makes. Its first span has an id that
follows from it. So whoever holds a charge's id, the worker for example, knows its trace, where to hang a span, and whether the trace is
one of those that are kept.
"""

import re

TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
"""Version 00 of the header (W3C Trace Context, 3.2); what a later version adds is nothing that is known here."""

SAMPLED_FLAG = 1
_LOW_64 = (1 << 64) - 1
_LOW_32 = (1 << 32) - 1
_SPREAD = 0x9E3779B1
"""An odd number near 2^32 divided by the golden ratio: multiplied with it, ids in a row fall all over the range (Knuth, 6.4)."""


def trace_id_of(identifier: str) -> int:
    """Return the trace of the call or charge with this id, a UUID in its 36 characters."""
    return int(identifier.replace("-", ""), 16)


def trace_id_text(identifier: str) -> str:
    """Return the trace of a call or charge as tools and logs write it: 32 hexadecimal digits."""
    return identifier.replace("-", "")


def root_span_id(trace_id: int) -> int:
    """Return the id of a trace's first span. Never 0: a UUID's variant lies in this half."""
    return trace_id & _LOW_64


def sampled(trace_id: int, ratio: float) -> bool:
    """Tell whether a trace is kept: the same answer in every process, for about this share of all traces.

    Decided by the 32 random bits at the end of a UUIDv7. The items of a batch differ there by their index, so the bits are spread first.
    """
    return (trace_id * _SPREAD & _LOW_32) < ratio * (1 << 32)


def traceparent(trace_id: int, span_id: int) -> str:
    """Return the header that hangs what follows below a span that is kept."""
    return f"00-{trace_id:032x}-{span_id:016x}-01"


def read_traceparent(header: str) -> tuple[int, int, bool] | None:
    """Return trace id, span id and whether its sender keeps the trace; None for what is no such header."""
    found = TRACEPARENT.fullmatch(header.strip())
    if found is None:
        return None
    trace_id, span_id, flags = (int(text, 16) for text in found.groups())
    return (trace_id, span_id, bool(flags & SAMPLED_FLAG)) if trace_id and span_id else None
