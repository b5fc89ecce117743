"""What a call asks at the gate."""

from types import SimpleNamespace

import pytest

from shared.admission.asking import ask_of
from shared.admission.asks import Ask, address_group, key_of
from shared.admission.limits import Algorithm, default_quota
from shared.call import Call
from shared.errors import InvalidArgument, ResourceExhausted
from shared.policy import IdempotencyScope, RateLimitClass
from shared.principal import RateLimit
from tests.unit.admission_calls import make_call, make_policy, make_principal

DEFAULT = default_quota(10, 60)


def asked(call: Call, request: object = SimpleNamespace(vendor_id=1, items=[])) -> Ask:
    """Return what the call asks, which must be something."""
    ask = ask_of(call, request, DEFAULT)
    assert ask is not None
    return ask


@pytest.mark.parametrize("key", ["", " ", " a", "a ", "a\tb", "ä", "a\x00", "a\x7f", "x" * 256])
def test_malformed_key_is_refused_by_name(key: str) -> None:
    """Only 1 to 255 printable ASCII characters make a key."""
    with pytest.raises(InvalidArgument) as refusal:
        asked(make_call(key=key))
    assert refusal.value.violations[0].field == "idempotency-key"


@pytest.mark.parametrize("key", ["a", "x" * 255, "order 17 / retry", '~!"#'])
def test_well_formed_key_is_kept_as_it_is(key: str) -> None:
    """The key reaches the handler unchanged, and Redis never sees it."""
    call = make_call(key=key)
    ask = asked(call)
    assert call.idempotency_key == key
    assert key.encode() not in ask.claim_key or len(key) == 1


def test_same_key_of_two_vendors_is_two_keys() -> None:
    """The scope of a call that moves money is the vendor."""
    one, two = (asked(make_call(key="k"), SimpleNamespace(vendor_id=vendor)) for vendor in (1, 2))
    assert one.claim_key != two.claim_key


def test_same_vendor_and_key_of_two_principals_is_one_key() -> None:
    """Two users of one vendor share the keys of its money."""
    one, two = (asked(make_call(key="k", principal=make_principal(subject))) for subject in ("user:1", "user:2"))
    assert one.claim_key == two.claim_key


def test_principal_scope_tells_principals_and_methods_apart() -> None:
    """Other writes are known per caller and method."""
    policies = [make_policy(idempotency_scope=IdempotencyScope.PRINCIPAL, name=name) for name in ("/a/A", "/a/B")]
    keys = {asked(make_call(policy, key="k", principal=make_principal(subject))).claim_key for policy in policies for subject in "pq"}
    assert len(keys) == 4


def test_parts_of_a_key_do_not_run_together() -> None:
    """Moving a character from one part to the next makes another key."""
    assert key_of("claim", "ab", "c") != key_of("claim", "a", "bc")


def test_money_call_without_a_key_gets_one_of_its_call_id() -> None:
    """A caller without a key is still repeatable by its door; nobody else can send that key, so it claims nothing."""
    call = make_call()
    assert asked(call).claim_key == b""
    assert call.idempotency_key == f"auto-{call.call_id}"


def test_other_writes_without_a_key_claim_nothing() -> None:
    """Without a key they only spend their limit."""
    ask = asked(make_call(make_policy(idempotency_scope=IdempotencyScope.PRINCIPAL)))
    assert ask.claim_key == b""
    assert ask.limit == DEFAULT


def test_key_of_a_method_without_scope_is_ignored() -> None:
    """Even a malformed one: it means nothing there."""
    call = make_call(make_policy(idempotency_scope=IdempotencyScope.NONE), key="ä")
    assert asked(call).claim_key == b""
    assert call.idempotency_key == ""


@pytest.mark.parametrize("rate_limit_class", [RateLimitClass.READ, RateLimitClass.PEER])
def test_reads_and_peers_ask_nothing(rate_limit_class: RateLimitClass) -> None:
    """They never reach Redis."""
    policy = make_policy(rate_limit_class=rate_limit_class, idempotency_scope=IdempotencyScope.NONE)
    assert ask_of(make_call(policy), SimpleNamespace(vendor_id=1), DEFAULT) is None


def test_default_limit_counts_per_address_and_method() -> None:
    """Another address or method is another window; another user at the same address is not."""

    def limit_key(address: str, name: str, subject: str = "user:1") -> bytes:
        return asked(make_call(make_policy(name=name), client_address=address, principal=make_principal(subject))).limit_key

    assert limit_key("192.0.2.1", "/a/A") == limit_key("192.0.2.1", "/a/A", "user:2")
    assert len({limit_key(address, name) for address in ("192.0.2.1", "192.0.2.2") for name in ("/a/A", "/a/B")}) == 4


def test_contract_replaces_the_default_and_counts_per_subject() -> None:
    """A contracted caller is not bound to an address."""
    contract = RateLimit(100, 1)
    one, two = (
        asked(make_call(principal=make_principal(rate_limit=contract), client_address=address)) for address in ("192.0.2.1", "192.0.2.2")
    )
    assert one.limit is not None
    assert (one.limit.algorithm, one.limit.requests) == (Algorithm.GCRA, 100)
    assert one.limit_key == two.limit_key
    assert one.limit_key != asked(make_call(principal=make_principal("user:2", contract))).limit_key


def test_contract_does_not_widen_the_limit_of_logins() -> None:
    """Whoever guesses passwords is counted by address."""
    policy = make_policy(rate_limit_class=RateLimitClass.LOGIN, idempotency_scope=IdempotencyScope.NONE)
    assert asked(make_call(policy, principal=make_principal(rate_limit=RateLimit(10**6, 1)))).limit == DEFAULT


def test_batch_costs_one_per_item_under_a_contract_and_one_call_under_the_default() -> None:
    """The documented limit counts requests, a contract counts units."""
    policy = make_policy(cost_field="items", idempotency_scope=IdempotencyScope.NONE)
    request = SimpleNamespace(items=[1, 2, 3])
    assert asked(make_call(policy), request).cost == 1
    assert asked(make_call(policy, principal=make_principal(rate_limit=RateLimit(10, 1))), request).cost == 3


def test_cost_above_the_whole_burst_is_refused_without_a_time_to_come_back() -> None:
    """No waiting makes such a call affordable, and the error says so."""
    policy = make_policy(cost_field="items", idempotency_scope=IdempotencyScope.NONE)
    with pytest.raises(ResourceExhausted) as refusal:
        asked(make_call(policy, principal=make_principal(rate_limit=RateLimit(2, 1))), SimpleNamespace(items=[1, 2, 3]))
    assert refusal.value.reason == "COST_ABOVE_LIMIT"
    assert refusal.value.retry_after_seconds is None


@pytest.mark.parametrize(
    ("address", "group"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unix:", "unix:"),
        ("", ""),
    ],
)
def test_address_counts_as_one_client(address: str, group: str) -> None:
    """IPv6 callers count per /64, everything else by itself."""
    assert address_group(address) == group
