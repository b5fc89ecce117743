"""Which method a path leads to."""

import pytest

from services.gateway.http.contract import ContractError
from services.gateway.http.routes import Routes
from tests.unit.gateway_http.conftest import Client, client_of


async def test_literal_segments_win_over_variables(client: Client) -> None:
    """/api/customer/charges/ is the list of charges, not the customer called charges."""
    await client.get("/api/customer/charges/")
    assert client.last.method.endswith("/ListCharges")
    await client.get("/api/customer/17/")
    assert client.last.method.endswith("/GetCustomer")


async def test_a_literal_path_of_another_method_is_no_variable(client: Client) -> None:
    """GET /api/vendor/submit-request/ is 405, not a vendor with a strange id."""
    reply = await client.get("/api/vendor/submit-request/")
    assert (reply.status, reply.headers["allow"]) == (405, "OPTIONS, POST")
    assert reply.json["reason"] == "HTTP_METHOD_NOT_ALLOWED"


@pytest.mark.parametrize(
    ("path", "right"),
    [
        ("/api/customer/increase-credit", "/api/customer/increase-credit/"),
        ("/api/customer/17", "/api/customer/17/"),
        ("/api/customer//", "/api/customer/"),
        ("/api/docs", "/api/docs/"),
        ("/api/nothing/", "/api/docs/"),
    ],
)
async def test_an_unknown_path_answers_404_and_names_the_right_one(client: Client, path: str, right: str) -> None:
    """No redirect: it would hide the mistake and cost a second request each time."""
    reply = await client.post(path, "{}")
    assert (reply.status, reply.json["reason"], client.backend.calls) == (404, "PATH_NOT_FOUND", [])
    assert f" {right} " in reply.json["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "//",
        "/api/customer/../customer/1/",
        "/api/customer/%FF/",
        "/api/customer//entries/",
        "/api/Customer/1/",
        "/charging.identity.v1.TrustService/GetTrustState",
    ],
)
async def test_other_paths_lead_nowhere(client: Client, path: str) -> None:
    """Empty segments, dots, broken encodings, other case and methods without a binding are not found."""
    reply = await client.get(path)
    assert (reply.status, client.backend.calls) == (404, [])


async def test_an_encoded_literal_is_the_same_path(client: Client) -> None:
    """RFC 3986: %63 is c."""
    await client.get("/api/%63ustomer/")
    assert client.last.method.endswith("/ListCustomers")


async def test_head_is_a_get_without_its_body(client: Client) -> None:
    """HEAD answers with the headers of GET."""
    head, get = await client.send("HEAD", "/api/customer/"), await client.get("/api/customer/")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", get.headers["content-length"])


async def test_head_never_changes_anything(client: Client) -> None:
    """The deprecated GET approves credit; HEAD on it is refused."""
    reply = await client.send("HEAD", "/api/vendor/approve-request/?request_credit_id=1")
    assert (reply.status, client.backend.calls) == (405, [])
    assert reply.headers["allow"] == "GET, OPTIONS, POST"


async def test_options_lists_the_methods(client: Client) -> None:
    """OPTIONS answers 204 with Allow."""
    reply = await client.send("OPTIONS", "/api/vendor/1/")
    assert (reply.status, reply.headers["allow"]) == (204, "GET, HEAD, OPTIONS, PATCH")


async def test_one_request_too_many_is_refused_at_once() -> None:
    """Beyond the bound a request gets 503 and Retry-After, health is still answered, and the place is free again afterwards."""
    client = client_of(requests_in_flight_max=1)
    client.door.requests_in_flight = 1
    reply = await client.get("/api/customer/")
    assert (reply.status, reply.json["reason"], reply.headers["retry-after"]) == (503, "OVERLOADED", "1")
    assert (await client.get("/health/")).status == 200
    client.door.requests_in_flight = 0
    assert (await client.get("/api/customer/")).status == 200
    assert client.door.requests_in_flight == 0


def test_a_path_bound_twice_stops_the_start() -> None:
    """Two methods cannot share a path, whatever their variables are called."""
    routes: Routes[int] = Routes()
    routes.add("GET", "/a/{b}/", 1)
    routes.add("POST", "/a/{c}/", 2)
    with pytest.raises(ContractError, match="bound twice"):
        routes.add("GET", "/a/{d}/", 3)


def test_the_search_comes_back_from_a_literal_that_leads_nowhere() -> None:
    """/a/b/d/ is found under the variable although the literal b exists beside it."""
    routes: Routes[int] = Routes()
    routes.add("GET", "/a/b/c/", 1)
    routes.add("GET", "/a/{x}/d/", 2)
    found = routes.find(b"/a/b/d/")
    assert found is not None
    assert (found[0].methods["GET"], found[1]) == (2, ("b",))
