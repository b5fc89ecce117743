"""What the command repeats, and what it must not."""

from collections.abc import Callable

import httpx
import pytest
from charging_cli.api import Api
from charging_cli.failures import NOT_SIGNED_IN, REFUSED, UNAVAILABLE, Refused, Unreachable

Step = httpx.Response | Exception


def problem(status: int, reason: str, **headers: str) -> httpx.Response:
    """Return a problem document."""
    return httpx.Response(status, json={"reason": reason, "detail": reason.lower()}, headers=headers)


def api_of(*steps: Step, seen: list[httpx.Request] | None = None, told: Callable[[float, str], None] | None = None) -> Api:
    """Return a door that answers with the steps, one after the other; the last one again and again."""
    left = list(steps)

    def answer(request: httpx.Request) -> httpx.Response:
        if seen is not None:
            seen.append(request)
        step = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(step, Exception):
            raise step
        return step

    return Api("http://door", "t", patience_seconds=2, transport=httpx.MockTransport(answer), told=told)


FINE = httpx.Response(200, json={"data": {"id": 1}})
LOST = httpx.ReadError("the connection was lost")


@pytest.mark.parametrize(
    "hitch", [LOST, problem(503, "UNAVAILABLE"), problem(504, "DEADLINE_EXCEEDED"), problem(409, "IDEMPOTENCY_KEY_RUNNING")]
)
def test_a_call_with_a_key_is_repeated_with_the_same_key(hitch: Step) -> None:
    """Whatever became of the first try, the effect is one."""
    seen: list[httpx.Request] = []
    api = api_of(FINE, hitch, FINE, seen=seen)
    api.get("/")
    assert api.post("/", {"amount": 1}, key="k") == {"data": {"id": 1}}
    assert [request.headers["idempotency-key"] for request in seen[1:]] == ["k", "k"]
    assert seen[1].content == seen[2].content


@pytest.mark.parametrize("hitch", [LOST, problem(503, "OUTCOME_UNKNOWN"), problem(500, "INTERNAL")])
def test_a_write_without_a_key_is_sent_once(hitch: Step) -> None:
    """It may have happened already."""
    seen: list[httpx.Request] = []
    api = api_of(FINE, hitch, FINE, seen=seen)
    api.get("/")
    with pytest.raises((Refused, Unreachable)):
        api.post("/", {})
    assert len(seen) == 2


def test_a_limited_call_waits_as_long_as_it_is_told() -> None:
    """Nothing was done, so any call may come again."""
    pauses: list[float] = []
    api = api_of(problem(429, "RATE_LIMITED", **{"retry-after": "1"}), FINE, told=lambda seconds, _why: pauses.append(seconds))
    assert api.post("/", {}) == {"data": {"id": 1}}
    assert pauses == [1.0]


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (problem(429, "RATE_LIMITED", **{"retry-after": "3600"}), UNAVAILABLE),
        (problem(429, "COST_ABOVE_LIMIT"), UNAVAILABLE),
        (problem(404, "VENDOR_NOT_FOUND"), REFUSED),
        (problem(422, "IDEMPOTENCY_KEY_REUSED"), REFUSED),
        (problem(401, "UNAUTHENTICATED"), NOT_SIGNED_IN),
        (problem(403, "ROLE_NOT_ALLOWED"), NOT_SIGNED_IN),
    ],
)
def test_what_repeating_cannot_help_is_told_at_once(answer: httpx.Response, status: int) -> None:
    """The exit status tells scripts what to do."""
    seen: list[httpx.Request] = []
    with pytest.raises(Refused) as caught:
        api_of(answer, seen=seen).post("/", {}, key="k")
    assert caught.value.exit_code == status
    assert caught.value.reason in caught.value.format_message()
    assert len(seen) == 1


@pytest.mark.parametrize(
    "answer", [httpx.ConnectError("refused"), httpx.Response(200, text="<html>"), httpx.Response(502, text="bad gateway")]
)
def test_an_address_that_never_answered_usefully_fails(answer: Step) -> None:
    """The message names the address: it is more likely wrong than busy."""
    with pytest.raises(Unreachable, match="http://door"):
        api_of(answer).post("/", {})


def test_lists_are_read_over_all_pages_up_to_the_limit() -> None:
    """No more is asked for than is shown."""
    seen: list[httpx.Request] = []
    pages = [
        httpx.Response(200, json={"results": [{"id": number} for number in range(start, start + 200)], "next_page_token": "next"})
        for start in (0, 200)
    ]
    found = list(api_of(*pages, seen=seen).pages("/", {"vendor": 1, "status": None}, limit=400))
    assert [each["id"] for each in found] == list(range(400))
    assert [dict(request.url.params) for request in seen] == [
        {"vendor": "1", "page_size": "200"},
        {"vendor": "1", "page_size": "200", "page_token": "next"},
    ]
