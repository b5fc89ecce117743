"""The one way in which a door hands a call on, wherever the method lives."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

TextMetadata = Sequence[tuple[str, str]]
"""Metadata of a call as a door hands it on: lower-case keys, text values."""


@dataclass(slots=True)
class Answer:
    """The outcome of one call, success or not.

    `code` is a google.rpc.Code, 0 for success; `details` is the text of a failure and `status` its serialized google.rpc.Status; `message`
    is the serialized response of a success; `trailers` have lower-case keys and text values.
    """

    code: int
    details: str = ""
    message: bytes = b""
    trailers: Mapping[str, str] = field(default_factory=dict)
    status: bytes = b""


class StreamFailed(Exception):
    """A stream ended with an error; `answer` is its outcome."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.details)
        self.answer = answer


class Backend(Protocol):
    """Where the methods of a service are served."""

    async def call(self, method: str, message: bytes, metadata: TextMetadata, timeout_seconds: float, *, waits: bool = False) -> Answer:
        """Run one call and return its outcome; never raises for a failed call.

        `method` is the full name, `/package.Service/Method`; `message` is the serialized request. `metadata` may carry reserved entries
        (`charging-...`) because a backend is only reachable from a door that strips them from what callers send. A call whose connection
        is lost is repeated with the same ids when its policy makes that safe, and otherwise answers UNAVAILABLE. `waits` says that the
        request asks to be answered only when its outcome is final: no other call shall wait for it.
        """
        ...

    def stream(self, method: str, message: bytes, metadata: TextMetadata, timeout_seconds: float) -> AsyncIterator[bytes]:
        """Yield the serialized messages of a method that streams, until it ends or this process leaves. Raises StreamFailed.

        Reserved metadata does not travel: it is believed in envelopes only, and a stream has none.
        """
        ...
