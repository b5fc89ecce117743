"""Draw docs/trace.svg: the trace of one charge, as a local stack of its own makes it and a collector receives it.

.venv/bin/python scripts/trace_picture.py
"""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import grpc
import httpx
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as pb
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceServicer, add_TraceServiceServicer_to_server

from shared.local.choices import SECRET_NAMES, choose
from shared.local.env_file import keep_secrets
from shared.local.stack import Stack

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "trace.svg"
SETTINGS = {"CHARGING_TRACE_RATIO": "1", "CHARGING_LOG_FORMAT": "json", "CHARGING_RATE_LIMIT_REQUESTS": "1000"}
WARM_UP_CHARGES = 20
"""So that connections stand and statements are prepared: the picture is of the usual case."""

EXPECTED = "transaction settle_charges"
ARRIVAL_SECONDS_MAX = 20.0
COLOURS = {"gateway": "#2f5fa7", "customer_charge": "#2e7d4f", "vendor_credit": "#8a5a2b", "customer_charge.worker": "#7a3f8f"}
WIDTH, LEFT, ROW, TOP, SCALE_WIDTH = 1000, 390, 26, 66, 560


@dataclass(frozen=True, slots=True)
class Drawn:
    """A span to draw: how deep it lies, and its times in milliseconds from the beginning of the trace."""

    service: str
    name: str
    depth: int
    start_ms: float
    end_ms: float


class Collector(TraceServiceServicer):
    """Keeps every span, with the name of its service."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Any]] = []

    def Export(self, request: pb.ExportTraceServiceRequest, context: object) -> pb.ExportTraceServiceResponse:  # noqa: N802 - the RPC's name
        """Keep the spans of a request."""
        for resource in request.resource_spans:
            service = next(item.value.string_value for item in resource.resource.attributes if item.key == "service.name")
            self.spans += [(service, span) for scope in resource.scope_spans for span in scope.spans]
        return pb.ExportTraceServiceResponse()


@contextmanager
def collecting() -> Iterator[Collector]:
    """Give a collector that the processes of a stack started meanwhile send to."""
    server, collector = grpc.server(ThreadPoolExecutor(2)), Collector()
    add_TraceServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]
    os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    os.environ["OTEL_BSP_SCHEDULE_DELAY"] = "200"
    server.start()
    try:
        yield collector
    finally:
        server.stop(1).wait()


def charge(url: str) -> str:
    """Have a vendor charge several times, and return the id of the last charge."""
    with httpx.Client(base_url=url, timeout=20) as client:

        def send(path: str, body: Mapping[str, Any], token: str = "") -> Any:
            answer = client.post(path, json=body, headers={"Authorization": f"Token {token}"} if token else {})
            answer.raise_for_status()
            return answer.json()

        tokens = {name: send("/api/auth/token/", {"username": name, "password": name})["token"] for name in ("operator", "partner")}
        request = send("/api/vendor/submit-request/", {"requester": 1, "amount": 100_000}, tokens["partner"])["data"]["id"]
        send("/api/vendor/approve-request/", {"request_credit_id": request}, tokens["operator"])
        made = {}
        for _ in range(WARM_UP_CHARGES + 1):
            made = send("/api/customer/increase-credit/", {"vendor": 1, "customer": 1, "amount": 100}, tokens["partner"])["data"]
            time.sleep(0.1)
        return str(made["id"])


def trace_of(collector: Collector, charge_id: str) -> list[tuple[str, Any]]:
    """Return the spans of a charge's trace once all have arrived. Raises SystemExit when they do not."""
    trace, end = bytes.fromhex(charge_id.replace("-", "")), time.monotonic() + ARRIVAL_SECONDS_MAX
    while time.monotonic() < end:
        found = [(service, span) for service, span in collector.spans if span.trace_id == trace]
        if {EXPECTED} <= {span.name for _, span in found} and any(not span.parent_span_id for _, span in found):
            time.sleep(1)  # what was sent at the same time
            return [(service, span) for service, span in collector.spans if span.trace_id == trace]
        time.sleep(0.1)
    raise SystemExit(f"the trace of {charge_id} did not arrive")


def laid_out(spans: Sequence[tuple[str, Any]]) -> list[Drawn]:
    """Return the spans in the order of a tree, children by time."""
    began = min(span.start_time_unix_nano for _, span in spans)
    rows: list[Drawn] = []

    def add(parent: bytes, depth: int) -> None:
        for service, span in sorted(spans, key=lambda each: each[1].start_time_unix_nano):
            if span.parent_span_id == parent:
                start, end = ((at - began) / 1e6 for at in (span.start_time_unix_nano, span.end_time_unix_nano))
                rows.append(
                    Drawn(
                        service, span.name.rpartition(".")[2] if "/" in span.name and " " not in span.name else span.name, depth, start, end
                    )
                )
                add(span.span_id, depth + 1)

    add(b"", 0)
    return rows


def picture(rows: Sequence[Drawn]) -> str:
    """Return the picture."""
    whole = max(row.end_ms for row in rows)
    height = TOP + ROW * len(rows) + 16

    def place(at_ms: float) -> float:
        return LEFT + at_ms / whole * SCALE_WIDTH

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="Helvetica, Arial, sans-serif"'
        ' font-size="13" role="img" aria-labelledby="title">',
        '  <title id="title">One trace of one charge, from the HTTP door to the ledger</title>',
        f'  <rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    left = 16.0
    for service, colour in COLOURS.items():
        lines.append(f'  <rect x="{left:.0f}" y="14" width="12" height="12" fill="{colour}"/>')
        lines.append(f'  <text x="{left + 18:.0f}" y="25" fill="#14213d">{escape(service)}</text>')
        left += 40 + 8 * len(service)
    for part in range(5):
        at = whole * part / 4
        lines.append(f'  <line x1="{place(at):.1f}" y1="{TOP - 12}" x2="{place(at):.1f}" y2="{height - 10}" stroke="#d8dee9"/>')
        lines.append(f'  <text x="{place(at):.1f}" y="{TOP - 18}" fill="#64748b" font-size="12" text-anchor="middle">{at:.1f} ms</text>')
    for index, row in enumerate(rows):
        top, colour = TOP + ROW * index, COLOURS.get(row.service, "#64748b")
        width = max(1.5, place(row.end_ms) - place(row.start_ms))
        lines.append(f'  <text x="{16 + 16 * row.depth}" y="{top + 13}" fill="#14213d">{escape(row.name)}</text>')
        lines.append(f'  <rect x="{place(row.start_ms):.1f}" y="{top + 2}" width="{width:.1f}" height="14" rx="2" fill="{colour}"/>')
        told, right = f"{row.end_ms - row.start_ms:.1f} ms", place(row.start_ms) + width + 5
        if right + 50 > WIDTH:
            lines.append(
                f'  <text x="{place(row.start_ms) - 5:.1f}" y="{top + 14}" fill="#64748b" font-size="11" text-anchor="end">{told}</text>'
            )
        else:
            lines.append(f'  <text x="{right:.1f}" y="{top + 14}" fill="#64748b" font-size="11">{told}</text>')
    return "\n".join([*lines, "</svg>", ""])


def main() -> None:
    """Make a charge and draw its trace."""
    folder = Path(tempfile.mkdtemp(prefix="charging-trace-"))
    try:
        with collecting() as collector:
            choices = choose(folder, SETTINGS, keep_secrets(folder / "secrets", SECRET_NAMES), known_ports=False)
            with Stack(choices) as stack:
                charge_id = charge(stack.environment["CHARGING_HTTP_URL"])
                spans = trace_of(collector, charge_id)
        PICTURE.write_text(picture(laid_out(spans)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
