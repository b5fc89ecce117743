"""The live view, on metrics and books of a known system."""

import json
from typing import Any

import httpx
import pytest
from charging_cli.commands import top as command
from charging_cli.main import cli
from charging_cli.top.exposition import Samples, quantile
from charging_cli.top.figures import ACCEPT, Books, Figures, Traffic
from charging_cli.top.screen import lines
from click.testing import CliRunner

BEFORE = f"""
# HELP charging_calls_total Calls served, by outcome.
charging_calls_total{{method="{ACCEPT}",code="OK"}} 100.0
charging_calls_total{{method="/m",code="INTERNAL"}} 1.0
charging_settled_charges_total 90.0
charging_batch_size_sum{{batcher="accept"}} 100.0
charging_batch_size_count{{batcher="accept"}} 10.0
charging_settle_lag_seconds_bucket{{le="0.1"}} 10.0
charging_settle_lag_seconds_bucket{{le="1.0"}} 10.0
charging_settle_lag_seconds_bucket{{le="+Inf"}} 10.0
"""
AFTER = f"""
charging_calls_total{{method="{ACCEPT}",code="OK"}} 300.0
charging_calls_total{{method="/m",code="INTERNAL"}} 5.0
charging_settled_charges_total 250.0
charging_batch_size_sum{{batcher="accept"}} 300.0
charging_batch_size_count{{batcher="accept"}} 18.0
charging_settle_lag_seconds_bucket{{le="0.1"}} 60.0
charging_settle_lag_seconds_bucket{{le="1.0"}} 110.0
charging_settle_lag_seconds_bucket{{le="+Inf"}} 110.0
charging_queue_depth{{batcher="accept"}} 7.0
charging_pool_connections{{state="open"}} 5.0
charging_pool_connections{{state="free"}} 2.0
charging_pool_size_max 8.0
charging_redis_trusted 1.0
"""
OTHER = 'charging_redis_trusted 0.0\ncharging_queue_depth{batcher="accept"} 1.0\n'
WHOLE = {"pending_charges": 3, "oldest_pending_ms": 1500, "drift": 0, "last_check": {"drift": 0}}


def test_the_same_metric_of_two_processes_is_added_up() -> None:
    """A rate is that of the system, and one process that does without Redis is told."""
    samples = Samples([AFTER, OTHER])
    assert samples.total("charging_queue_depth", batcher="accept") == 8
    assert samples.least("charging_redis_trusted") == 0
    assert samples.least("charging_nothing") is None


def test_label_values_may_hold_anything() -> None:
    """Braces, commas and escaped quotes are part of the value."""
    samples = Samples(['m{a="x,y=\\"{1}\\"",b="2"} 3 1700000000000'])
    assert samples.total("m", b="2") == 3
    assert dict(samples.by("m", "a")) == {'x,y=\\"{1}\\"': 3.0}


def test_rates_lie_between_the_readings() -> None:
    """What was before does not count, and times are those of what came since."""
    traffic = Traffic.between(Samples([BEFORE]), Samples([AFTER]), 2.0, 1)
    assert (traffic.accepted, traffic.settled, traffic.failed) == (100.0, 80.0, 2.0)
    assert (traffic.batch, traffic.waiting) == ({"accept": 25.0}, {"accept": 7})
    assert (traffic.connections_used, traffic.connections_max, traffic.redis_trusted) == (3, 8, True)
    assert traffic.settle_p50 == pytest.approx(0.1)
    assert traffic.settle_p99 == pytest.approx(0.982)
    assert traffic.accept_p50 is None


def test_a_restarted_process_shows_no_negative_rate() -> None:
    """Its counters begin anew."""
    assert Traffic.between(Samples([AFTER]), Samples([BEFORE]), 1.0, 1).accepted == 0


def test_a_quantile_beyond_the_last_limit_is_that_limit() -> None:
    """There is no more to be known."""
    assert quantile(0.99, {}, {1.0: 1.0, float("inf"): 100.0}) == 1.0
    assert quantile(0.5, {}, {}) is None


@pytest.mark.parametrize("wrong", ["drift", "blocked", "stopped", "findings"])
def test_broken_books_are_told_loudly(wrong: str) -> None:
    """Anything but zero."""
    books = Books(**{**dict.fromkeys(("pending", "oldest_seconds", "blocked", "stopped", "drift", "findings"), 0), wrong: 1})
    assert not books.whole
    assert "BROKEN" in "\n".join(lines(Figures(books, None), "http://x", "12:00:00"))


class _System:
    """A door and a process to be read, in place of httpx."""

    def __init__(self, books: dict[str, Any], status: int = 200) -> None:
        self._books, self._status, self._texts = books, status, iter([BEFORE, AFTER])

    def door(self, request: httpx.Request) -> httpx.Response:
        """Answer the question for the books."""
        assert request.url.params["recent"] == "true"
        return httpx.Response(self._status, json={"data": self._books} if self._status == 200 else {"detail": "no", "reason": "NO"})

    def metrics(self, url: str, timeout: float) -> httpx.Response:
        """Answer a scrape."""
        return httpx.Response(200, text=next(self._texts))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Any:
    """Give what runs `charging top --once` against a system."""
    monkeypatch.setenv("CHARGING_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("CHARGING_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("CHARGING_HTTP_URL", "http://127.0.0.1:1")

    def start(system: _System, *more: str) -> Any:
        client = httpx.Client

        def with_door(**options: Any) -> httpx.Client:
            return client(**{**options, "transport": httpx.MockTransport(system.door)})

        monkeypatch.setattr("charging_cli.api.httpx.Client", with_door)
        monkeypatch.setattr(command.httpx, "get", system.metrics)
        return CliRunner().invoke(cli, ["top", "--once", "--interval", "0.1", *more])

    return start


def test_once_prints_the_figures_and_ends(run: Any) -> None:
    """Books and traffic, for people."""
    outcome = run(_System(WHOLE), "--metrics", "http://127.0.0.1:2/metrics")
    assert outcome.exit_code == 0, outcome.output
    for told in ("books     whole", "backlog   3 charges, the oldest 1.5 s", "lag       p50 100 ms", "3 of 8 connections"):
        assert told in outcome.output


def test_json_is_one_document_for_scripts(run: Any) -> None:
    """All of it, by name."""
    outcome = run(_System(WHOLE), "--json", "--metrics", "http://127.0.0.1:2/metrics")
    document = json.loads(outcome.output)
    assert document["books"]["pending"] == 3
    assert document["traffic"]["waiting"] == {"accept": 7}


def test_broken_books_are_the_exit_status(run: Any) -> None:
    """A script need not read."""
    outcome = run(_System({**WHOLE, "blocked_charges": 1}))
    assert outcome.exit_code == 1


def test_a_token_that_may_not_see_the_books_shows_the_traffic(run: Any) -> None:
    """And without metrics there is nothing to show."""
    shown = run(_System(WHOLE, status=403), "--metrics", "http://127.0.0.1:2/metrics")
    assert (shown.exit_code, "an operator's token" in shown.output) == (0, True)
    assert run(_System(WHOLE, status=403)).exit_code == 4
