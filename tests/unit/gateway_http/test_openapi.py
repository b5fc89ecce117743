"""The OpenAPI document and the pages made from it."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from openapi_spec_validator import validate

from services.gateway.http.bindings import bindings_of
from services.gateway.http.catalogue import CATALOGUE
from services.gateway.http.openapi import openapi_document
from tests.unit.gateway_http.conftest import SERVICES, Client, client_of


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """Give the document of the whole contract."""
    return openapi_document(list(bindings_of(SERVICES)))


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Return path, method and operation of everything in the document."""
    return [(path, method, operation) for path, methods in document["paths"].items() for method, operation in methods.items()]


def test_the_document_is_valid_openapi(document: dict[str, Any]) -> None:
    """Judged by the specification's own schema."""
    validate(document)


def test_every_binding_is_described_and_nothing_else(document: dict[str, Any]) -> None:
    """The document has exactly the paths and methods that are routed, with variables by their JSON names."""
    bound = {(re.sub(r"{.*?}", "{}", each.template), each.http_method.lower()) for each in bindings_of(SERVICES)}
    assert {(re.sub(r"{.*?}", "{}", path), method) for path, method, _ in operations(document)} == bound
    assert "/api/vendor/{vendor}/entries/" in document["paths"]


def test_everything_is_explained(document: dict[str, Any]) -> None:
    """Operations, parameters and properties all have the texts of the contract's comments."""
    for path, method, operation in operations(document):
        assert operation["summary"], (path, method)
        assert all(each["description"] for each in operation["parameters"] if "$ref" not in each), (path, method)
    for name, schema in document["components"]["schemas"].items():
        assert all(each.get("description") for each in schema["properties"].values()), name


def test_operation_ids_are_unique(document: dict[str, Any]) -> None:
    """Generated clients name their functions after them."""
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(names)) == len(names)


def test_the_rules_of_fields_are_told(document: dict[str, Any]) -> None:
    """Ranges, lengths, patterns and examples come from the contract, and requests are closed."""
    charge = document["components"]["schemas"]["IncreaseCreditRequest"]
    assert charge["required"] == ["vendor", "customer", "amount"]
    assert charge["additionalProperties"] is False
    amount = charge["properties"]["amount"]
    assert (amount["type"], amount["minimum"], amount["maximum"], amount["examples"]) == ("integer", 1, 10**12, [100])
    phone = document["components"]["schemas"]["CreateCustomerRequest"]["properties"]["phone_number"]
    assert (phone["maxLength"], phone["pattern"]) == (16, r"^(?:\+[1-9][0-9]{6,14})$")


def test_the_body_leaves_out_what_the_path_says(document: dict[str, Any]) -> None:
    """PATCH /api/vendor/{id}/ has no id in its body."""
    body = document["paths"]["/api/vendor/{id}/"]["patch"]["requestBody"]["content"]["application/json"]["schema"]
    assert set(body["properties"]) == {"name", "credit_limit", "suspended", "low_balance_threshold", "duplicate_window_seconds"}


def test_statuses_headers_and_security_are_told(document: dict[str, Any]) -> None:
    """A charge may be answered 202 or 200, takes a key and a preference, and needs a token; signing in needs none."""
    charge = document["paths"]["/api/customer/increase-credit/"]["post"]
    assert {"200", "202", "400", "401", "403", "404", "409", "413", "415", "422", "429", "503", "504"} <= set(charge["responses"])
    assert {"$ref": "#/components/parameters/Idempotency-Key"} in charge["parameters"]
    assert {"$ref": "#/components/parameters/Prefer"} in charge["parameters"]
    assert charge["security"] == [{"token": []}]
    assert document["paths"]["/api/auth/token/"]["post"]["security"] == []
    assert document["paths"]["/api/auth/token/revoke/"]["post"]["responses"]["204"].keys() == {"description", "headers"}


def test_the_documented_get_form_is_deprecated(document: dict[str, Any]) -> None:
    """Only it, not its POST form."""
    approve = document["paths"]["/api/vendor/approve-request/"]
    assert approve["get"]["deprecated"] is True
    assert "deprecated" not in approve["post"]


class Page(HTMLParser):
    """Collects what a page refers to."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.add(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.links += [value for name, value in attrs if name in ("href", "src") and value]


@pytest.mark.parametrize("path", ["/api/docs/", "/api/docs/errors/"])
async def test_a_page_is_whole_in_itself(client: Client, path: str) -> None:
    """No script, no outside address, a policy that forbids both, and every link inside leads somewhere."""
    reply = await client.get(path)
    page = Page(reply.body.decode())
    assert (reply.status, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert reply.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert not page.tags & {"script", "img", "link", "iframe"}
    assert len(set(page.ids)) == len(page.ids)
    for link in page.links:
        assert link[1:] in page.ids if link.startswith("#") else (await client.get(link)).status == 200


async def test_the_reference_shows_every_operation(client: Client, document: dict[str, Any]) -> None:
    """Each with an anchor."""
    page = Page((await client.get("/api/docs/")).body.decode())
    assert {operation["operationId"] for _, _, operation in operations(document)} <= set(page.ids)


async def test_every_reason_has_its_anchor(client: Client) -> None:
    """The `type` of a problem document leads to its explanation."""
    assert set(CATALOGUE) <= set(Page((await client.get("/api/docs/errors/")).body.decode()).ids)


async def test_the_documents_can_be_switched_off() -> None:
    """A setting for deployments that publish them elsewhere."""
    client = client_of(docs=False)
    assert [(await client.get(path)).status for path in ("/api/docs/", "/api/docs/errors/", "/api/openapi.json")] == [404] * 3


async def test_health_and_readiness_are_told(client: Client) -> None:
    """Alive is 200; ready names the parts."""
    assert (await client.get("/health/")).json == {"status": "ok"}
    assert (await client.get("/ready/")).json == {"ready": True, "parts": {"database": True}}


async def test_a_part_out_of_reach_makes_the_door_unready(monkeypatch: pytest.MonkeyPatch) -> None:
    """503, so that a balancer sends nothing here."""

    async def unready() -> dict[str, bool]:
        return {"database": True, "vendor_credit": False}

    monkeypatch.setattr("tests.unit.gateway_http.conftest.everything_ready", unready)
    reply = await client_of().get("/ready/")
    assert (reply.status, reply.json) == (503, {"ready": False, "parts": {"database": True, "vendor_credit": False}})


async def test_a_door_is_ready_without_redis_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Charges go on without it."""

    async def without_redis() -> dict[str, bool]:
        return {"database": True, "redis": False}

    monkeypatch.setattr("tests.unit.gateway_http.conftest.everything_ready", without_redis)
    reply = await client_of().get("/ready/")
    assert (reply.status, reply.json) == (200, {"ready": True, "parts": {"database": True, "redis": False}})
