"""The interceptors of authentication and authorization."""

from typing import Any

import pytest
from charging.customer_charge.v1 import customer_charge_pb2 as customer_charge
from charging.vendor_credit.v1 import vendor_credit_pb2 as vendor_credit

from shared.call import CURRENT_CALL, Call
from shared.errors import ChargingError, NotFound, PermissionDenied, Unauthenticated
from shared.interceptors.authentication import AuthenticationInterceptor
from shared.interceptors.authorization import AuthorizationInterceptor
from shared.principal import Role
from tests.authentication import METHODS, call_of, user
from tests.unit.auth.conftest import World

CHARGE = "/charging.customer_charge.v1.ChargeService/IncreaseCredit"
BATCH = "/charging.customer_charge.v1.ChargeService/BatchIncreaseCredit"
LIST_CHARGES = "/charging.customer_charge.v1.ChargeService/ListCharges"
GET_VENDOR = "/charging.vendor_credit.v1.VendorService/GetVendor"
LOGIN = "/charging.identity.v1.TokenService/CreateToken"


async def _handler(request: Any, context: Any) -> str:
    return "answer"


async def _authenticate(world: World, call: Call) -> Any:
    CURRENT_CALL.set(call)
    return await AuthenticationInterceptor(world.authenticator).intercept(_handler, None, None, call.method)  # type: ignore[arg-type]


async def _authorize(call: Call, request: Any = None) -> Any:
    CURRENT_CALL.set(call)
    return await AuthorizationInterceptor().intercept(_handler, request, None, call.method)  # type: ignore[arg-type]


@pytest.mark.parametrize("scheme", ["Token", "Bearer", "token", "BEARER"])
async def test_the_token_in_the_metadata_makes_the_principal(world: World, scheme: str) -> None:
    """Both schemes are read, in any case (RFC 9110)."""
    principal = user()
    call = call_of(CHARGE, authorization=f"{scheme} {world.signer.token(principal)}")
    assert await _authenticate(world, call) == "answer"
    assert call.caller == principal


@pytest.mark.parametrize("header", [None, "", "Token", "Token ", "Token  {}", "{}", "Basic {}", "Token {} ", "Token {} {}", "Token\t{}"])
async def test_without_a_well_formed_header_nobody_is_let_in(world: World, header: str | None) -> None:
    """A header that is missing, of another scheme or malformed gets the answer of a wrong token."""
    call = call_of(CHARGE, authorization=header and header.replace("{}", world.signer.token(user())))
    with pytest.raises(Unauthenticated):
        await _authenticate(world, call)
    assert call.principal is None


async def test_an_open_method_asks_for_no_token(world: World) -> None:
    """A login passes both interceptors, even with a token that is no good."""
    call = call_of(LOGIN, authorization="Token nonsense")
    assert await _authenticate(world, call) == "answer"
    assert await _authorize(call) == "answer"
    assert call.principal is None


async def test_a_role_outside_the_policy_is_denied() -> None:
    """For every method of the contract and every role, the policy alone decides."""
    for method in METHODS:
        for role in Role:
            call = call_of(method, principal=user(role, vendors=frozenset({1})))
            request = METHODS[method].input_type._concrete_class()
            if call.policy.open or role in call.policy.roles:
                assert await _authorize(call, request) == "answer"
                continue
            with pytest.raises(PermissionDenied) as caught:
                await _authorize(call, request)
            assert caught.value.reason == "ROLE_NOT_ALLOWED"
            assert caught.value.metadata == {"role": role.name.lower(), "method": method}


async def test_a_call_without_a_principal_is_refused() -> None:
    """Should authentication ever be left out, authorization lets nobody in."""
    with pytest.raises(Unauthenticated):
        await _authorize(call_of(CHARGE), customer_charge.IncreaseCreditRequest(vendor_id=1))


async def test_a_call_under_another_methods_policy_is_denied() -> None:
    """The policy must be the method's own, and there must be one."""
    CURRENT_CALL.set(call_of(LOGIN))
    with pytest.raises(PermissionDenied) as caught:
        await AuthorizationInterceptor().intercept(_handler, None, None, CHARGE)  # type: ignore[arg-type]
    assert caught.value.reason == "METHOD_NOT_ALLOWED"


@pytest.mark.parametrize("role", [Role.PARTNER, Role.SERVICE])
async def test_a_foreign_vendor_answers_like_a_missing_one(role: Role) -> None:
    """The answer is word for word what a look-up of a vendor that does not exist gives."""
    for method, request, field in (
        (CHARGE, customer_charge.IncreaseCreditRequest(vendor_id=3), "vendor_id"),
        (LIST_CHARGES, customer_charge.ListChargesRequest(vendor_id=3), "vendor_id"),
    ):
        missing = NotFound.of("vendor", 3, field=field)
        with pytest.raises(NotFound) as caught:
            await _authorize(call_of(method, principal=user(role)), request)
        assert _wire(caught.value) == _wire(missing)


async def test_a_foreign_vendor_by_its_id_is_missing() -> None:
    """Methods that name the vendor `id` refuse under that name."""
    with pytest.raises(NotFound) as caught:
        await _authorize(call_of(GET_VENDOR, principal=user()), vendor_credit.GetVendorRequest(id=3))
    assert _wire(caught.value) == _wire(NotFound.of("vendor", 3, field="id"))


async def test_every_item_of_a_batch_must_be_the_callers() -> None:
    """One foreign vendor fails the call, and the answer names the item."""
    item = customer_charge.BatchIncreaseCreditRequest.DESCRIPTOR.fields_by_name["items"].message_type._concrete_class
    own = customer_charge.BatchIncreaseCreditRequest(items=[item(vendor_id=1), item(vendor_id=2)])
    call = call_of(BATCH, principal=user(Role.SERVICE))
    assert await _authorize(call, own) == "answer"
    mixed = customer_charge.BatchIncreaseCreditRequest(items=[item(vendor_id=1), item(vendor_id=3)])
    with pytest.raises(NotFound) as caught:
        await _authorize(call, mixed)
    assert caught.value.metadata == {"id": "3", "field": "items[1].vendor_id"}


async def test_own_vendors_absent_filters_and_operators_pass() -> None:
    """Ownership binds partners and services, and 0 names no vendor."""
    for principal, vendor_id in ((user(), 1), (user(), 0), (user(Role.OPERATOR), 3)):
        request = customer_charge.ListChargesRequest(vendor_id=vendor_id)
        assert await _authorize(call_of(LIST_CHARGES, principal=principal), request) == "answer"


def _wire(error: ChargingError) -> tuple[Any, ...]:
    return type(error), error.code, error.message, error.reason, error.metadata, error.violations, error.retry_after_seconds
