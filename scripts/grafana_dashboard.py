"""Write deploy/observability/dashboard.json: the dashboard in Grafana's own form, from a list of panels that people can read.

.venv/bin/python scripts/grafana_dashboard.py
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DASHBOARD = Path(__file__).resolve().parent.parent / "deploy" / "observability" / "dashboard.json"
SCHEMA_VERSION = 41
"""Of Grafana 11.6, the one of the types that tests/unit/test_dashboard.py reads it with; later ones bring it up to date."""

COLUMNS = 24
DATA_SOURCE = {"type": "prometheus", "uid": "${source}"}
ACCEPT = 'method=~".*/(IncreaseCredit|BatchIncreaseCredit)"'
FAILED = 'code=~"INTERNAL|UNKNOWN|UNAVAILABLE|DATA_LOSS|DEADLINE_EXCEEDED"'


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: title, what it tells, its queries with their legends, the unit, and whether it is one number that must be 0, or 1."""

    title: str
    text: str
    queries: Sequence[tuple[str, str]]
    unit: str = "short"
    must_be: int | None = None
    number: bool = False


def quantile(share: float, metric: str, by: str = "", where: str = "") -> str:
    """Return the query of a quantile over the last five minutes."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, sum by ({labels}) (rate({metric}_bucket{{{where}}}[5m])))"


ROWS: Sequence[tuple[str, int, Sequence[Panel]]] = (
    (
        "Is the money right?",
        3,
        (
            Panel("Drift", "Amounts that one side of the books has and the other has not.", [("max(charging_books_drift)", "")], must_be=0),
            Panel("Findings", "Broken invariants that the last check found.", [("max(charging_books_findings)", "")], must_be=0),
            Panel("Stopped vendors", "Their books were found broken.", [("max(charging_books_stopped_vendors)", "")], must_be=0),
            Panel("Stopped customers", "Their books were found broken.", [("max(charging_books_stopped_customers)", "")], must_be=0),
            Panel(
                "Blocked",
                "Charges and reversals that are set aside until a person has looked.",
                [("max(charging_books_blocked_charges)", "charges"), ("max(charging_books_blocked_reversals)", "reversals")],
                must_be=0,
            ),
            Panel(
                "Backlog",
                "Charges and reversals that are not final.",
                [("max(charging_books_pending_charges)", "charges"), ("max(charging_books_pending_reversals)", "reversals")],
                number=True,
            ),
            Panel(
                "Oldest",
                "Age of the oldest charge or reversal that is not final.",
                [("max(charging_books_oldest_pending_seconds)", "")],
                "s",
                number=True,
            ),
            Panel("Redis", "1 while every process decides claims and limits in Redis.", [("min(charging_redis_trusted)", "")], must_be=1),
        ),
    ),
    (
        "How much, how fast",
        8,
        (
            Panel(
                "Charges a second",
                "Accepted by single calls, and taken to their end.",
                [
                    ('sum(rate(charging_calls_total{method=~".*/IncreaseCredit", code="OK"}[1m]))', "accepted, single"),
                    ("sum(rate(charging_settled_charges_total[1m]))", "settled"),
                ],
                "ops",
            ),
            Panel(
                "Time to accept",
                "Of single charges and of batches, at their service.",
                [
                    (quantile(0.5, "charging_call_seconds", where=ACCEPT), "p50"),
                    (quantile(0.99, "charging_call_seconds", where=ACCEPT), "p99"),
                ],
                "s",
            ),
            Panel(
                "From accepted to final",
                "Looked at for some charges of each batch.",
                [(quantile(0.5, "charging_settle_lag_seconds"), "p50"), (quantile(0.99, "charging_settle_lag_seconds"), "p99")],
                "s",
            ),
        ),
    ),
    (
        "Calls",
        6,
        (
            Panel(
                "HTTP answers a second", "By status.", [("sum by (status) (rate(charging_http_responses_total[1m]))", "{{status}}")], "ops"
            ),
            Panel(
                "Calls a second",
                "By outcome, at every service.",
                [("sum by (code) (rate(charging_calls_total[1m]))", "{{code}}")],
                "ops",
            ),
            Panel(
                "Failing methods",
                "Calls a second that ended by no fault of their callers.",
                [(f"sum by (method) (rate(charging_calls_total{{{FAILED}}}[5m])) > 0", "{{method}}")],
                "ops",
            ),
            Panel(
                "Slowest methods",
                "p99 of the ten slowest.",
                [(f"topk(10, {quantile(0.99, 'charging_call_seconds', by='method')})", "{{method}}")],
                "s",
            ),
        ),
    ),
    (
        "Queues and batches",
        6,
        (
            Panel("Waiting", "Items that wait for a batch.", [("sum by (batcher) (charging_queue_depth)", "{{batcher}}")]),
            Panel(
                "Items in a batch",
                "On average: it grows with the load, by itself.",
                [
                    (
                        "sum by (batcher) (rate(charging_batch_size_sum[1m])) / sum by (batcher) (rate(charging_batch_size_count[1m]))",
                        "{{batcher}}",
                    )
                ],
            ),
            Panel(
                "Connections to PostgreSQL",
                "In use, beside the most that the pools open.",
                [
                    (
                        'sum by (job) (charging_pool_connections{state="open"}) - sum by (job) (charging_pool_connections{state="free"})',
                        "{{job}} in use",
                    ),
                    ("sum by (job) (charging_pool_size_max)", "{{job}} at most"),
                ],
            ),
            Panel("Waiting for a connection", "Callers.", [("sum by (job) (charging_pool_waiting)", "{{job}}")]),
        ),
    ),
    (
        "In the background",
        6,
        (
            Panel(
                "Hints a second",
                "That a slot has work.",
                [("sum by (queue, outcome) (rate(charging_hints_total[1m]))", "{{queue}} {{outcome}}")],
                "ops",
            ),
            Panel(
                "Webhook attempts a second",
                "By outcome.",
                [("sum by (outcome) (rate(charging_webhook_attempts_total[5m]))", "{{outcome}}")],
                "ops",
            ),
            Panel(
                "Scheduler",
                "Turns of its jobs that failed, in five minutes.",
                [('sum by (sweep) (increase(charging_sweeps_total{outcome="failed"}[5m]))', "{{sweep}}")],
            ),
            Panel(
                "Open at the doors",
                "Streams of events, and HTTP requests under way.",
                [("sum(charging_streams)", "streams"), ("sum(charging_http_requests_in_flight)", "requests")],
            ),
        ),
    ),
    (
        "Processes",
        6,
        (
            Panel("Processor", "Cores in use.", [("sum by (job) (rate(process_cpu_seconds_total[1m]))", "{{job}}")]),
            Panel(
                "Memory",
                "Resident, of the largest process of each kind.",
                [("max by (job) (process_resident_memory_bytes)", "{{job}}")],
                "bytes",
            ),
            Panel("Up", "Processes that answer.", [("sum by (job) (up)", "{{job}}")]),
        ),
    ),
)


def dashboard() -> dict[str, Any]:
    """Return the dashboard."""
    panels: list[dict[str, Any]] = []
    top = 0
    for title, height, row in ROWS:
        panels.append(
            {"id": len(panels) + 1, "type": "row", "title": title, "collapsed": False, "panels": [], "gridPos": _place(0, top, COLUMNS, 1)}
        )
        top += 1
        width = COLUMNS // len(row)
        for index, panel in enumerate(row):
            panels.append({"id": len(panels) + 1, **_panel(panel), "gridPos": _place(index * width, top, width, height)})
        top += height
    return {
        "uid": "charging",
        "title": "Charging",
        "tags": ["charging"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "refresh": "10s",
        "timezone": "browser",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [{"name": "source", "label": "Data source", "type": "datasource", "query": "prometheus"}]},
        "annotations": {"list": []},
        "panels": panels,
    }


def _panel(panel: Panel) -> dict[str, Any]:
    single = panel.number or panel.must_be is not None
    targets = [
        {"refId": chr(ord("A") + index), "datasource": DATA_SOURCE, "expr": query, "legendFormat": legend or "__auto"}
        for index, (query, legend) in enumerate(panel.queries)
    ]
    shown: dict[str, Any] = {
        "type": "stat" if single else "timeseries",
        "title": panel.title,
        "description": panel.text,
        "datasource": DATA_SOURCE,
        "targets": targets,
        "fieldConfig": {"defaults": {"unit": panel.unit, **_thresholds(panel)}, "overrides": []},
    }
    if single:
        shown["options"] = {
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "colorMode": "value",
            "graphMode": "area",
        }
    else:
        shown["options"] = {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
    return shown


def _thresholds(panel: Panel) -> dict[str, Any]:
    if panel.must_be is None:
        return {"color": {"mode": "palette-classic"}}
    low, high = ("green", "red") if panel.must_be == 0 else ("red", "green")
    steps = [{"color": low, "value": None}, {"color": high, "value": 1}]
    return {"color": {"mode": "thresholds"}, "thresholds": {"mode": "absolute", "steps": steps}, "decimals": 0}


def _place(left: int, top: int, width: int, height: int) -> dict[str, int]:
    return {"x": left, "y": top, "w": width, "h": height}


def text() -> str:
    """Return the file's content."""
    return json.dumps(dashboard(), indent=2) + "\n"


if __name__ == "__main__":
    DASHBOARD.write_text(text())
