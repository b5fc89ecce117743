"""Requests with large bodies: from known callers only, few at a time, and read one after the other with room for others in between.

A small body costs next to nothing, whoever sends it. One of megabytes takes memory while it arrives and, in one go, a tenth of a second to
read: a few of them side by side, with tokens that are worth nothing, would keep everybody else waiting.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

from services.gateway.http.problems import ProblemError
from services.gateway.http.requests import Request

SMALL_BYTES_MAX = 64 * 1024
"""A body beyond it is large."""

AT_A_TIME = 32
"""Large bodies at one process: of 4 MiB each they hold 128 MiB."""

AT_A_TIME_PER_CALLER = 16

T = TypeVar("T")

Verify = Callable[[str], str | None]
"""Returns whose Authorization header it is, None where nobody's: what a process can tell by itself and at once."""


class LargeBodies:
    """The large bodies that one process is taking or working on."""

    def __init__(self, verify: Verify) -> None:
        self._verify = verify
        self._places: Counter[str] = Counter()
        self._turn = asyncio.Lock()
        self._rested_at = 0.0

    @property
    def taken(self) -> int:
        """Return how many places are taken."""
        return self._places.total()

    def admit(self, request: Request) -> None:
        """Give a request whose body is large a place, which it keeps until `leave`.

        Raises ProblemError: UNAUTHENTICATED, or OVERLOADED where all places are taken.
        """
        if request.large_of:
            return
        caller = self._verify(request.headers.get(b"authorization", b"").decode("latin-1"))
        if caller is None:
            text = f"a body of more than {SMALL_BYTES_MAX} bytes is taken with a valid token only"
            raise ProblemError.of("UNAUTHENTICATED", text, headers=[(b"www-authenticate", b"Token")])
        if self.taken >= AT_A_TIME or self._places[caller] >= AT_A_TIME_PER_CALLER:
            raise ProblemError.of("OVERLOADED", "too many large requests are under way", headers=[(b"retry-after", b"1")])
        self._places[caller] += 1
        request.large_of = caller

    def leave(self, request: Request) -> None:
        """Take the place back, if the request has one."""
        if request.large_of:
            self._places[request.large_of] -= 1
            if not self._places[request.large_of]:
                del self._places[request.large_of]
            request.large_of = ""

    async def in_turn(self, read: Callable[[], T]) -> T:
        """Return what `read` returns, called in turn; the next turn comes after as long a rest as this one took.

        So reading large bodies takes at most half of the process's time, and a lone one waits for nothing.
        """
        async with self._turn:
            loop = asyncio.get_running_loop()
            await asyncio.sleep(max(0.0, self._rested_at - loop.time()))
            began = loop.time()
            try:
                return read()
            finally:
                ended = loop.time()
                self._rested_at = ended + (ended - began)
