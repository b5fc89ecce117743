"""The ids of traces, and that traces cost nothing while they are off."""

import subprocess
import sys

import pytest

from shared.settings import CommonSettings
from shared.tracing.ids import read_traceparent, root_span_id, sampled, trace_id_of, trace_id_text, traceparent
from shared.tracing.opening import client_spans, open_database, open_tracing
from shared.tracing.tracing import GivenIds
from shared.uuid7 import derived_ids, uuid7_text

MANY = 20_000
TRACE_MODULES = ("opentelemetry.sdk.trace", "opentelemetry.exporter", "opentelemetry.proto", "shared.tracing.tracing")
PROCESSES = (
    "services.gateway.app",
    "services.vendor_credit.app",
    "services.customer_charge.app",
    "services.customer_charge.worker",
    "services.vendor_credit.worker",
    "services.scheduler.__main__",
)


def test_a_trace_goes_by_the_charges_id() -> None:
    """Whoever has one has the other."""
    charge = uuid7_text()
    assert f"{trace_id_of(charge):032x}" == trace_id_text(charge) == charge.replace("-", "")


@pytest.mark.parametrize("ratio", [0.01, 0.25, 0.5])
@pytest.mark.parametrize("kind", ["calls", "items"])
def test_the_share_that_is_kept_is_the_ratio(ratio: float, kind: str) -> None:
    """For calls, whose ids are random at the end, and for the items of one batch, whose ids count up."""
    base = uuid7_text()
    ids = [uuid7_text() for _ in range(MANY)] if kind == "calls" else derived_ids(base, MANY)
    kept = sum(sampled(trace_id_of(each), ratio) for each in ids) / MANY
    assert abs(kept - ratio) < 6 * (ratio * (1 - ratio) / MANY) ** 0.5


def test_all_or_none_is_kept_at_the_ends() -> None:
    """A ratio of 1 keeps every trace and one of 0 none."""
    ids = [trace_id_of(uuid7_text()) for _ in range(1000)]
    assert all(sampled(each, 1.0) for each in ids)
    assert not any(sampled(each, 0.0) for each in ids)


def test_a_header_is_read_as_it_was_written() -> None:
    """What this system sends to itself comes back, and says that it is kept."""
    trace = trace_id_of(uuid7_text())
    assert read_traceparent(traceparent(trace, root_span_id(trace))) == (trace, root_span_id(trace), True)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "00",
        "01-" + "a" * 32 + "-" + "b" * 16 + "-01",
        "00-" + "0" * 32 + "-" + "b" * 16 + "-01",
        "00-" + "a" * 32 + "-" + "0" * 16 + "-01",
    ],
)
def test_what_is_no_header_is_none(header: str) -> None:
    """Other versions, ids of zero and anything else are nobody's trace."""
    assert read_traceparent(header) is None


def test_ids_are_given_once() -> None:
    """The first span of a trace has the ids that follow from the call; the next one has random ones."""
    ids, trace = GivenIds(), trace_id_of(uuid7_text())
    ids.give(trace)
    assert (ids.generate_trace_id(), ids.generate_span_id()) == (trace, root_span_id(trace))
    assert ids.generate_span_id() != root_span_id(trace)
    assert ids.generate_trace_id() != trace


def test_off_means_that_nothing_is_there() -> None:
    """Without a ratio no span is made, no layer stands in a call's way, and OpenTelemetry is not imported by any process."""
    assert open_tracing(CommonSettings(), "tests") is None
    assert client_spans(None) == ()
    assert type(open_database(None, "", "s", pool_size=1, application_name="tests")).__name__ == "Database"
    imports = "; ".join(f"import {module}" for module in PROCESSES)
    # The client of Redis imports what it finds of OpenTelemetry's metrics by itself.
    check = f"{imports}; import sys; print([name for name in sys.modules if name.startswith({TRACE_MODULES})])"
    outcome = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)  # noqa: S603 - our own modules
    assert outcome.stdout.strip() == "[]"
