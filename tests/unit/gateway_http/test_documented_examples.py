"""The documented REST examples, verbatim: path, body, status and shape are a promise to partners."""

from charging.customer_charge.v1 import customer_charge_pb2 as customer_charge
from charging.identity.v1 import identity_pb2 as identity
from charging.vendor_credit.v1 import vendor_credit_pb2 as vendor_credit
from google.protobuf.timestamp_pb2 import Timestamp

from tests.unit.gateway_http.conftest import Client

CHARGE_ID = "0199f2c4-6d1e-7a53-8f0b-2c9d4be17a60"
NOON = Timestamp(seconds=1769860800)
JUST_AFTER = Timestamp(seconds=1769860800, nanos=250_000)


async def test_signing_in_answers_a_token_and_its_end(client: Client) -> None:
    """POST /api/auth/token/ takes a name and password and answers 200."""
    client.backend.answer = identity.CreateTokenResponse(token="abc", expires_at=NOON)
    reply = await client.post("/api/auth/token/", '{"username": "partner", "password": "partner"}')
    assert (reply.status, reply.json) == (200, {"token": "abc", "expires_at": "2026-01-31T12:00:00Z"})
    assert client.last.method == "/charging.identity.v1.TokenService/CreateToken"
    assert client.last.request == identity.CreateTokenRequest(username="partner", password="partner")


async def test_submitting_a_credit_request_answers_it_as_pending(client: Client) -> None:
    """POST /api/vendor/submit-request/ names the vendor `requester` and answers 200 with the request."""
    client.backend.answer = vendor_credit.SubmitCreditRequestResponse(
        data=vendor_credit.CreditRequest(id=7, vendor_id=1, amount=10000, state=1, created_at=NOON, updated_at=JUST_AFTER)
    )
    reply = await client.post("/api/vendor/submit-request/", '{"requester": 1, "amount": 10000}')
    assert reply.status == 200
    assert reply.json == {
        "data": {
            "id": 7,
            "requester": 1,
            "amount": 10000,
            "status": "pending",
            "created_at": "2026-01-31T12:00:00Z",
            "updated_at": "2026-01-31T12:00:00.000250Z",
        }
    }
    assert client.last.request == vendor_credit.SubmitCreditRequestRequest(vendor_id=1, amount=10000)


async def test_approving_by_get_works_and_says_it_is_deprecated(client: Client) -> None:
    """GET /api/vendor/approve-request/ answers 202 accepted, with Deprecation and the successor."""
    client.backend.answer = vendor_credit.ApproveCreditRequestResponse(status=1)
    reply = await client.get("/api/vendor/approve-request/?request_credit_id=7")
    assert (reply.status, reply.body) == (202, b'{"status":"accepted"}')
    assert reply.headers["deprecation"] == "@1767225600"
    assert reply.headers["link"] == '</api/vendor/approve-request/>; rel="successor-version"'
    assert client.last.request == vendor_credit.ApproveCreditRequestRequest(id=7)


async def test_approving_by_post_is_the_form_to_use(client: Client) -> None:
    """POST /api/vendor/approve-request/ answers the same without a Deprecation header."""
    client.backend.answer = vendor_credit.ApproveCreditRequestResponse(status=1)
    reply = await client.post("/api/vendor/approve-request/", '{"request_credit_id": 7}')
    assert (reply.status, reply.json) == (202, {"status": "accepted"})
    assert "deprecation" not in reply.headers


async def test_charging_answers_accepted_and_where_to_look(client: Client) -> None:
    """POST /api/customer/increase-credit/ answers 202 with the charge and its Location."""
    client.backend.answer = charge_response(customer_charge.CHARGE_STATE_ACCEPTED)
    reply = await client.post("/api/customer/increase-credit/", '{"vendor": 1, "customer": 2, "amount": 100}')
    assert reply.status == 202
    assert reply.json == {
        "status": "accepted",
        "data": {
            "id": CHARGE_ID,
            "vendor": 1,
            "customer": 2,
            "amount": 100,
            "status": "accepted",
            "created_at": "2026-01-31T12:00:00Z",
        },
    }
    assert reply.headers["location"] == f"/api/customer/charges/{CHARGE_ID}/"
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["cache-control"] == "no-store"
    assert client.last.request == customer_charge.IncreaseCreditRequest(vendor_id=1, customer_id=2, amount=100)


async def test_waiting_answers_200_with_the_final_state(client: Client) -> None:
    """`Prefer: wait=5` fills the wait, extends the deadline and turns a final outcome into 200."""
    client.backend.answer = charge_response(customer_charge.CHARGE_STATE_SUCCEEDED)
    reply = await client.post("/api/customer/increase-credit/", '{"vendor": 1, "customer": 2, "amount": 100}', prefer="wait=5")
    assert (reply.status, reply.headers["preference-applied"]) == (200, "wait=5")
    assert client.last.request.wait_seconds == 5
    assert client.last.timeout_seconds == client.settings.request_timeout_seconds + 5


async def test_a_refused_charge_shows_why(client: Client) -> None:
    """A failed charge answers 200 with reason, available and shortfall."""
    failure = customer_charge.ChargeFailure(reason=customer_charge.FAILURE_REASON_INSUFFICIENT_CREDIT, available=40, shortfall=60)
    client.backend.answer = charge_response(customer_charge.CHARGE_STATE_FAILED, failure=failure)
    reply = await client.post("/api/customer/increase-credit/", '{"vendor": 1, "customer": 2, "amount": 100}', prefer="wait=5")
    assert reply.status == 200
    assert reply.json["data"]["failure"] == {"reason": "insufficient_credit", "available": 40, "shortfall": 60}


async def test_revoking_a_token_answers_without_a_body(client: Client) -> None:
    """POST /api/auth/token/revoke/ takes an empty body and answers 204."""
    reply = await client.send("POST", "/api/auth/token/revoke/")
    assert (reply.status, reply.body) == (204, b"")
    assert "content-length" not in reply.headers
    assert "content-type" not in reply.headers


async def test_lists_answer_results_and_the_next_page(client: Client) -> None:
    """Plain fields and lists are always there, optional ones only when set."""
    client.backend.answer = customer_charge.ListCustomersResponse(customers=[customer_charge.Customer(id=1, phone_number="+989120000001")])
    reply = await client.get("/api/customer/?page_size=1&phone_number=%2B989120000001")
    assert reply.json == {"results": [{"id": 1, "phone_number": "+989120000001"}], "next_page_token": ""}
    assert client.last.request == customer_charge.ListCustomersRequest(page_size=1, phone_number="+989120000001")


def charge_response(state: int, failure: customer_charge.ChargeFailure | None = None) -> customer_charge.IncreaseCreditResponse:
    """Return the answer to a charge."""
    charge = customer_charge.Charge(
        id=CHARGE_ID,
        vendor_id=1,
        customer_id=2,
        amount=100,
        state=state,
        created_at=NOON,
        failure=failure,  # type: ignore[arg-type]
    )
    return customer_charge.IncreaseCreditResponse(status=state, data=charge)  # type: ignore[arg-type]
