"""gRPC, one charge a call."""

from dataclasses import replace
from urllib.parse import urlsplit

from benchmarks.bench import Bench
from benchmarks.figures import Figure, Row
from benchmarks.load_plan import LoadPlan, LoadReport, run_generator

IN_FLIGHT = 256


def grpc_unary(bench: Bench) -> Row:
    """Call the service directly with a generated stub, as a partner would: one RPC, and one trip through gRPC's Python, for each charge."""
    return _row(bench, "grpc_unary", "gRPC unary, direct", "unary")


def grpc_envelope(bench: Bench) -> Row:
    """Go the gateway's own way without its HTTP: concurrent calls travel in envelopes."""
    return _row(bench, "grpc_envelope", "gRPC in envelopes", "envelope")


def run_grpc(plan: LoadPlan) -> LoadReport:
    """Run a closed loop of the gRPC generator."""
    return run_generator("benchmarks.grpc_load", plan)


def grpc_plan(bench: Bench, transport: str, *, in_flight: int, vendors: int | None = None) -> LoadPlan:
    """Return a plan for the customer-charge service's own port."""
    port = urlsplit(f"//{bench.system.charge_address}").port
    assert port is not None  # noqa: S101 - the stack always names one
    keys_dir = bench.system.environment["CHARGING_KEYS_DIR"]
    return replace(bench.plan(in_flight=in_flight, vendors=vendors), port=port, transport=transport, keys_dir=keys_dir)


def _row(bench: Bench, name: str, title: str, transport: str) -> Row:
    measured = bench.measure(run_grpc, grpc_plan(bench, transport, in_flight=IN_FLIGHT))
    figures = (
        Figure("settled", measured.rate, "/s", "textbook_spread"),
        Figure("accept p50", measured.report.p50_ms, "ms"),
        Figure("accept p99", measured.report.p99_ms, "ms"),
    )
    return Row(name, f"{title}, {IN_FLIGHT} in flight", figures, measured.cpu_us, measured.details)
