"""The policy of every RPC, read from the descriptors of the contract."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from functools import cache

from charging.options.v1 import options_pb2
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor, ServiceDescriptor

from shared.principal import Role

DRY_RUN = "dry_run"
"""Name of the request field that asks for a check without an effect."""


class RateLimitClass(IntEnum):
    """The numbers of charging.options.v1.RateLimitClass."""

    UNSPECIFIED = 0
    WRITE = 1
    READ = 2
    LOGIN = 3
    PEER = 4


class IdempotencyScope(IntEnum):
    """The numbers of charging.options.v1.IdempotencyScope."""

    NONE = 0
    VENDOR = 1
    PRINCIPAL = 2
    OWNER = 3


@dataclass(frozen=True, slots=True)
class MethodPolicy:
    """Guard of one RPC; see charging.options.v1.Policy for what each field means.

    `name` is the full method name, `/package.Service/Method`. `repeatable` says that a door may send the call again, with the same ids,
    when its outcome is unknown: the contract's `idempotency_level`. `dry_runs` says that the request has a field `dry_run`: a call with it
    changes nothing, so it neither takes an idempotency key nor leaves one behind. `streaming` says that the
    answer is a stream of messages.
    """

    name: str
    open: bool
    roles: frozenset[Role]
    vendor_path: tuple[str, ...]
    rate_limit_class: RateLimitClass
    cost_field: str
    idempotency_scope: IdempotencyScope
    coalesce: bool
    waitable: bool
    repeatable: bool
    streaming: bool = False
    dry_runs: bool = False


def method_name(method: MethodDescriptor) -> str:
    """Return the full name under which gRPC calls the method."""
    return f"/{method.containing_service.full_name}/{method.name}"


@cache
def policy_of(method: MethodDescriptor) -> MethodPolicy | None:
    """Return the policy of a method, or None when the contract gives none: such a method is denied to everyone."""
    options = method.GetOptions()
    if not options.HasExtension(options_pb2.policy):
        return None
    policy = options.Extensions[options_pb2.policy]
    return MethodPolicy(
        name=method_name(method),
        open=policy.open,
        roles=frozenset(Role(role) for role in policy.roles),
        vendor_path=tuple(policy.vendor_field.split(".")) if policy.vendor_field else (),
        rate_limit_class=RateLimitClass(policy.rate_limit_class),
        cost_field=policy.cost_field,
        idempotency_scope=IdempotencyScope(policy.idempotency_scope),
        coalesce=policy.coalesce,
        waitable=policy.waitable,
        repeatable=options.idempotency_level != descriptor_pb2.MethodOptions.IDEMPOTENCY_UNKNOWN,
        dry_runs=DRY_RUN in method.input_type.fields_by_name,
        streaming=method.server_streaming,
    )


class UnguardedMethodError(Exception):
    """The contract has a method that nobody may call: it names no policy, or one without role or limit."""


def find_method(name: str) -> MethodDescriptor:
    """Return the descriptor of the method with this full name. Raises KeyError when there is none."""
    return descriptor_pool.Default().FindMethodByName(name[1:].replace("/", "."))


def checked_policy(method: MethodDescriptor) -> MethodPolicy:
    """Return the policy of a method, or raise UnguardedMethodError for one that says too little."""
    policy = policy_of(method)
    if policy is None:
        raise UnguardedMethodError(f"{method.full_name} has no policy")
    if not policy.open and not policy.roles:
        raise UnguardedMethodError(f"{method.full_name} is neither open nor allowed to any role")
    if policy.rate_limit_class is RateLimitClass.UNSPECIFIED:
        raise UnguardedMethodError(f"{method.full_name} has no rate limit class")
    return policy


def rules_of(field: FieldDescriptor) -> options_pb2.FieldRules:
    """Return the rules of a field; the default instance when it has none."""
    return field.GetOptions().Extensions[options_pb2.rules]


def http_facts_of(method: MethodDescriptor) -> options_pb2.HttpFacts:
    """Return the HTTP facts of a method; the default instance when it has none."""
    return method.GetOptions().Extensions[options_pb2.http_facts]


def methods_of(services: Iterable[ServiceDescriptor]) -> dict[str, MethodDescriptor]:
    """Return every method of the services by its full name."""
    return {method_name(method): method for service in services for method in service.methods}


def value_at(message: object, path: tuple[str, ...]) -> list[object]:
    """Return the values of a request at a field path, through repeated fields too."""
    if len(path) == 1:
        value = getattr(message, path[0])
        return [value] if type(value) is int else list(_as_list(value))
    values = [message]
    for name in path:
        values = [item for value in values for item in _as_list(getattr(value, name))]
    return values


def _as_list(value: object) -> Iterable[object]:
    return value if isinstance(value, Iterable) and not isinstance(value, str | bytes) else (value,)


def field_at(message: Descriptor, path: tuple[str, ...]) -> FieldDescriptor:
    """Return the descriptor of the field at a path. Raises KeyError when the path leads nowhere."""
    field = message.fields_by_name[path[0]]
    if len(path) == 1:
        return field
    if field.message_type is None:
        raise KeyError(f"{field.full_name} has no field {path[1]}")
    return field_at(field.message_type, path[1:])
