"""How many streams of rows may be open: in this process, and of one caller."""

from collections import Counter
from typing import Any

import jwt

from services.gateway.http.problems import ProblemError
from services.gateway.http.requests import Request

PLACES = 64
"""Of one process: each stream holds a page in memory and asks for the next for as long as its client reads."""

PLACES_OF_CALLER = 8
"""Of one caller, whatever it reads: nobody takes all places of the others."""


class StreamPlaces:
    """The places of one process. A stream takes one before it asks for anything, and names its caller once the token is known to hold."""

    def __init__(self) -> None:
        self._taken = 0
        self._of_caller: Counter[str] = Counter()

    def take(self) -> "StreamPlace":
        """Return a place, to be released. Raises ProblemError (OVERLOADED) when there is none."""
        if self._taken >= PLACES:
            raise ProblemError.of("OVERLOADED", "too many streams are open", headers=[(b"retry-after", b"1")])
        self._taken += 1
        return StreamPlace(self)

    def claim(self, caller: str) -> None:
        """Count a place as the caller's. Raises ProblemError (TOO_MANY_STREAMS) when it has as many as it may."""
        if self._of_caller[caller] >= PLACES_OF_CALLER:
            detail = f"this caller reads {PLACES_OF_CALLER} streams already"
            raise ProblemError.of("TOO_MANY_STREAMS", detail, headers=[(b"retry-after", b"1")])
        self._of_caller[caller] += 1

    def release(self, caller: str | None) -> None:
        """Give a place back."""
        self._taken -= 1
        if caller is not None:
            self._of_caller[caller] -= 1
            if not self._of_caller[caller]:
                del self._of_caller[caller]


class StreamPlace:
    """One place; releasing it again does nothing."""

    def __init__(self, places: StreamPlaces) -> None:
        self._places: StreamPlaces | None = places
        self._caller: str | None = None

    def belongs_to(self, caller: str) -> None:
        """Count the place as the caller's. Raises ProblemError."""
        if self._places is not None:
            self._places.claim(caller)
            self._caller = caller

    def release(self) -> None:
        """Give the place back."""
        places, self._places = self._places, None
        if places is not None:
            places.release(self._caller)


def caller_of(request: Request) -> str:
    """Return the subject of a request whose token a service has just found to be good; nothing is verified here."""
    token = request.headers.get(b"authorization", b"").decode("latin-1").rpartition(" ")[2]
    try:
        claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    except jwt.PyJWTError:
        return token
    return str(claims.get("sub"))
