"""Responses as bytes of HTTP/1.1 (RFC 9112)."""

from collections.abc import Iterable
from http import HTTPStatus

from services.gateway.http.asgi import NO_CONTENT, Header, Response
from services.gateway.http.requests import Request

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}


def head_bytes(request: Request, status: int, headers: Iterable[Header], date_line: bytes) -> bytes:
    """Return status line and headers, without the empty line that ends them; the connection's fate is told where it is not the usual."""
    lines = [_STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status, date_line]
    lines += [name + b": " + value + b"\r\n" for name, value in headers]
    if not request.keep_alive:
        lines.append(b"connection: close\r\n")
    elif request.http_1_0:
        lines.append(b"connection: keep-alive\r\n")
    return b"".join(lines)


def response_bytes(request: Request, response: Response, date_line: bytes) -> bytes:
    """Return a whole response; the one to HEAD has the length of the body and not the body (RFC 9110, 9.3.2)."""
    head = head_bytes(request, response.status, response.headers, date_line)
    if response.status == NO_CONTENT:
        return head + b"\r\n"
    return b"%bcontent-length: %d\r\n\r\n%b" % (head, len(response.body), b"" if request.method == "HEAD" else response.body)
