"""HTTP/2 by hand, for clients that no library would let misbehave so (RFC 9113; header fields as literals, RFC 7541 6.2.2)."""

import asyncio
import struct
import zlib
from collections import Counter
from collections.abc import Iterable

from charging.customer_charge.v1.customer_charge_pb2 import IncreaseCreditRequest

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
END_STREAM, END_HEADERS, ACK = 1, 4, 1
CANCEL = struct.pack(">I", 8)
FRAME_BYTES = 16_000
CHARGE = "/charging.customer_charge.v1.ChargeService/IncreaseCredit"


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Return a frame."""
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def head(stream: int, method: str, token: str = "", extra: Iterable[tuple[str, str]] = (), *, ends: bool = False) -> bytes:
    """Return the frame that begins a gRPC call."""
    fields = [(":method", "POST"), (":scheme", "http"), (":path", method), (":authority", "door"), ("te", "trailers")]
    fields += [("content-type", "application/grpc"), *extra, *([("authorization", f"Token {token}")] if token else [])]
    block = b"".join(b"\0" + _text(name) + _text(value) for name, value in fields)
    return frame(HEADERS, END_HEADERS | (END_STREAM if ends else 0), stream, block)


def message(content: bytes, *, compressed: bool = False) -> bytes:
    """Return a gRPC message with its prefix."""
    return struct.pack(">BI", compressed, len(content)) + content


def charge_of(vendor: int, customer: int) -> bytes:
    """Return the message of a charge."""
    return message(IncreaseCreditRequest(vendor_id=vendor, customer_id=customer, amount=1).SerializeToString())


def data(stream: int, content: bytes, *, ends: bool = True) -> bytes:
    """Return the frames that carry a request."""
    pieces = [content[start : start + FRAME_BYTES] for start in range(0, len(content), FRAME_BYTES)] or [b""]
    return b"".join(frame(DATA, END_STREAM if ends and piece is pieces[-1] else 0, stream, piece) for piece in pieces)


def gzip_bomb(inflated_bytes: int) -> bytes:
    """Return a gRPC message that inflates to so many zeros."""
    packer, piece = zlib.compressobj(9, zlib.DEFLATED, 31), bytes(1 << 20)
    packed = b"".join(packer.compress(piece) for _ in range(inflated_bytes >> 20)) + packer.flush()
    return message(packed, compressed=True)


class RawConnection:
    """One connection; what arrives is counted by kind of frame, and kept only for calls that have ended."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.seen: Counter[int] = Counter()
        self.ended: dict[int, bytes] = {}
        """The last block of headers of each call that has ended, by stream; empty for one that was reset."""
        self.closed = False
        self._reading = asyncio.create_task(self._read(reader))

    @classmethod
    async def open(cls, address: str, source: str, settings: bytes = b"") -> "RawConnection":
        """Connect from an address of loopback and begin as HTTP/2 asks for."""
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port), local_addr=(source, 0))
        writer.write(PREFACE + frame(SETTINGS, 0, 0, settings))
        return cls(reader, writer)

    async def send(self, *frames: bytes) -> None:
        """Send what the other side takes. Raises ConnectionError once it has hung up."""
        self.writer.write(b"".join(frames))
        await self.writer.drain()

    async def close(self) -> None:
        """Hang up."""
        self._reading.cancel()
        self.writer.close()
        await asyncio.wait({self._reading})

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                start = await reader.readexactly(9)
                payload = await reader.readexactly(int.from_bytes(start[:3]))
                kind, flags, stream = start[3], start[4], int.from_bytes(start[5:])
                self.seen[kind] += 1
                if kind in (SETTINGS, PING) and not flags & ACK:
                    self.writer.write(frame(kind, ACK, 0, payload if kind == PING else b""))
                elif kind == RST_STREAM:
                    self.ended.setdefault(stream, b"")
                elif kind == HEADERS and flags & END_STREAM:
                    self.ended[stream] = payload
        except (asyncio.IncompleteReadError, ConnectionError):
            self.closed = True


def _text(text: str) -> bytes:
    """Return a string literal; its length is an integer with a prefix of seven bits (RFC 7541, 5.1)."""
    content = text.encode()
    if len(content) < 127:
        return bytes([len(content)]) + content
    length, rest = bytearray([127]), len(content) - 127
    while rest >= 128:
        length.append(rest % 128 + 128)
        rest //= 128
    return bytes(length) + bytes([rest]) + content
