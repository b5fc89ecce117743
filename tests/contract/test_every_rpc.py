"""Every RPC, message, field and enum of the contract says what the doors and the reference need to know of it."""

import importlib
import re
from collections.abc import Iterator
from importlib.resources import files
from types import ModuleType

import pytest
from charging.options.v1 import options_pb2
from google.api import annotations_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, FileDescriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet, MethodOptions

from services.gateway.http.bindings import bindings_of
from services.gateway.http.comments import load_comments
from services.gateway.http.routes import Routes
from shared.maps import is_map, is_text_map
from shared.policy import IdempotencyScope, RateLimitClass, checked_policy, field_at, http_facts_of, rules_of
from shared.principal import Role
from tests.contract.contract import BINDINGS, FILES, METHODS, request_messages, short

WITH_OPTIONS = (*FILES, options_pb2.DESCRIPTOR)
COMMENTS = load_comments()
EXACT_INTEGER_MAX = 2**53 - 1
INTEGERS = frozenset({FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_UINT32, FieldDescriptor.TYPE_UINT64})

every_method = pytest.mark.parametrize(
    "method", METHODS.values(), ids=lambda method: short(f"{method.containing_service.name}/{method.name}")
)
every_request_field = pytest.mark.parametrize(
    "field", [field for message in request_messages() for field in message.fields], ids=lambda field: field.full_name
)


def messages_of(file: FileDescriptor) -> Iterator[Descriptor]:
    """Yield the messages of a file, nested ones too, without those that the compiler makes for maps."""
    waiting = list(file.message_types_by_name.values())
    while waiting:
        message = waiting.pop()
        yield message
        waiting += [nested for nested in message.nested_types if not nested.GetOptions().map_entry]


def enums_of(file: FileDescriptor) -> Iterator[EnumDescriptor]:
    """Yield the enums of a file, nested ones too."""
    yield from file.enum_types_by_name.values()
    for message in messages_of(file):
        yield from message.enum_types


def has_comment(name: str) -> bool:
    """Tell whether the descriptor set carries a sentence about an element."""
    return COMMENTS.get(name, "").endswith(".")


@every_method
def test_every_method_has_a_policy(method: MethodDescriptor) -> None:
    """A method names its roles, or is open, and the limit that it spends."""
    policy = checked_policy(method)
    assert policy.open != bool(policy.roles)
    assert Role.PEER not in policy.roles or policy.roles == {Role.PEER}, "a peer's method is nobody else's"
    assert (policy.rate_limit_class is RateLimitClass.PEER) == (policy.roles == {Role.PEER})
    assert policy.rate_limit_class is not RateLimitClass.LOGIN or policy.open
    assert not policy.open or policy.rate_limit_class in (RateLimitClass.LOGIN, RateLimitClass.READ), "what is open is throttled, or a read"


@every_method
def test_every_method_has_an_http_binding_unless_it_is_for_peers(method: MethodDescriptor) -> None:
    """Both doors serve every method; those between our own processes have no binding."""
    bound = method.GetOptions().HasExtension(annotations_pb2.http)
    assert bound == (checked_policy(method).roles != {Role.PEER})


@every_method
def test_every_method_and_its_messages_have_comments(method: MethodDescriptor) -> None:
    """The reference has a text for the service, the method, what it takes and what it answers."""
    for name in (method.containing_service.full_name, method.full_name, method.input_type.full_name, method.output_type.full_name):
        assert has_comment(name), name


@every_method
def test_the_idempotency_level_fits_the_binding_and_the_policy(method: MethodDescriptor) -> None:
    """What is read by GET alone has no side effects, what takes a key is idempotent, and a read spends no write limit."""
    policy, level = checked_policy(method), method.GetOptions().idempotency_level
    verbs = [binding.http_method for binding in BINDINGS if binding.method is method]
    if verbs and set(verbs) == {"GET"}:
        assert level == MethodOptions.NO_SIDE_EFFECTS
    if level == MethodOptions.NO_SIDE_EFFECTS:
        assert set(verbs) <= {"GET"} or http_facts_of(method).HasField("csv_body"), "only a whole file is asked about by another verb"
        assert policy.rate_limit_class in (RateLimitClass.READ, RateLimitClass.PEER)
    if policy.rate_limit_class is RateLimitClass.READ:
        assert level == MethodOptions.NO_SIDE_EFFECTS
    if policy.idempotency_scope is not IdempotencyScope.NONE:
        assert level == MethodOptions.IDEMPOTENT
    if policy.coalesce:
        assert policy.repeatable, "an envelope may be sent again, so every call in it must be repeatable"


@every_method
def test_the_fields_that_a_policy_names_exist(method: MethodDescriptor) -> None:
    """The vendor, cost and location fields are there, of the right kind, and a get by GET has a deprecation where it changes something."""
    policy, facts = checked_policy(method), http_facts_of(method)
    if policy.vendor_path:
        assert field_at(method.input_type, policy.vendor_path).type == FieldDescriptor.TYPE_INT64
    if policy.cost_field:
        assert method.input_type.fields_by_name[policy.cost_field].is_repeated
    if policy.idempotency_scope is IdempotencyScope.VENDOR:
        assert len(policy.vendor_path) == 1, "the key is unique per vendor, so the request names one"
    for when in facts.status_when:
        assert field_at(method.output_type, tuple(when.field.split("."))).enum_type is not None
    bound = [binding for binding in BINDINGS if binding.method is method]
    if policy.rate_limit_class is not RateLimitClass.READ:
        assert all(binding.deprecated_at_seconds for binding in bound if binding.http_method == "GET")
    assert all(binding.template.startswith("/api/") and binding.template.endswith("/") for binding in bound)


@every_method
def test_requests_and_responses_are_named_after_their_method(method: MethodDescriptor) -> None:
    """Every method has messages of its own, so that each can grow without the other."""
    assert method.input_type.name == f"{method.name}Request"
    assert method.output_type.name == f"{method.name}Response"


@every_request_field
def test_every_string_and_number_of_a_request_has_bounds(field: FieldDescriptor) -> None:
    """Numbers say how large they may be, at most what JSON carries exactly; strings say how long."""
    rules = rules_of(field)
    if field.type in INTEGERS:
        assert rules.HasField("min"), f"{field.full_name} has no min"
        assert rules.HasField("max"), f"{field.full_name} has no max"
        assert rules.max <= EXACT_INTEGER_MAX
        assert rules.min >= (1 if rules.required else 0) or field.name.endswith("balance"), "only balances may be negative"
    if field.type == FieldDescriptor.TYPE_STRING:
        assert rules.max_length, f"{field.full_name} has no max_length"
    if field.is_repeated:
        assert rules.max_items, f"{field.full_name} has no max_items"
    if is_map(field):
        assert is_text_map(field), f"{field.full_name} is not from text to text"
        assert rules.max_key_length, f"{field.full_name} has no max_key_length"
        assert rules.max_length, f"{field.full_name} has no max_length"


def test_every_field_value_and_enum_has_a_comment() -> None:
    """Nothing in the contract goes unexplained."""
    names = [message.full_name for file in WITH_OPTIONS for message in messages_of(file)]
    names += [field.full_name for file in WITH_OPTIONS for message in messages_of(file) for field in message.fields]
    names += [enum.full_name for file in WITH_OPTIONS for enum in enums_of(file)]
    names += [f"{enum.full_name}.{value.name}" for file in WITH_OPTIONS for enum in enums_of(file) for value in enum.values]
    assert [name for name in names if not has_comment(name)] == []


@pytest.mark.parametrize("enum", [enum for file in WITH_OPTIONS for enum in enums_of(file)], ids=lambda enum: enum.full_name)
def test_enum_values_carry_the_prefix_and_start_with_unspecified(enum: EnumDescriptor) -> None:
    """Values are told apart across enums, and 0 means that nothing was said."""
    prefix = "".join(f"_{letter}" if letter.isupper() else letter.upper() for letter in enum.name).lstrip("_") + "_"
    assert all(value.name.startswith(prefix) for value in enum.values)
    assert enum.values_by_number[0].name == f"{prefix}UNSPECIFIED"


def test_no_two_bindings_collide() -> None:
    """Every request leads to one method: no verb and path are bound twice, whatever their variables are called."""
    routes: Routes[str] = Routes()
    for binding in bindings_of(service for file in FILES for service in file.services_by_name.values()):
        routes.add(binding.http_method, binding.template, binding.method.full_name)
    for binding in BINDINGS:
        found = routes.find(binding.template.replace("{", "").replace("}", "").encode())
        assert found is not None
        assert found[0].methods[binding.http_method] == binding.method.full_name


def modules() -> list[ModuleType]:
    """Return the generated modules of every package."""
    found = []
    for file in WITH_OPTIONS:
        stem = file.name.removesuffix(".proto").replace("/", ".")
        found += [importlib.import_module(f"{stem}_pb2"), importlib.import_module(f"{stem}_pb2_grpc")]
    return found


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.__name__)
def test_generated_modules_are_importable_and_typed(module: ModuleType) -> None:
    """The stubs are a package as written: each module has its .pyi beside it, and the package says that it is typed."""
    package, _, name = module.__name__.rpartition(".")
    assert files(package).joinpath(f"{name}.pyi").is_file()
    assert files("charging").joinpath("py.typed").is_file()


def spoken_part(file: FileDescriptorProto) -> str:
    """Return a file as text, without comments, and without JSON names, which the compiler adds to one form only."""
    file.ClearField("source_code_info")
    return re.sub(r'\s*json_name: "[^"]*"', "", str(file))


def test_the_descriptor_set_is_that_of_the_stubs() -> None:
    """The comments that are shown belong to the messages that are spoken."""
    shipped = FileDescriptorSet.FromString(files("charging").joinpath("descriptors.binpb").read_bytes())
    spoken = {file.name: file for file in WITH_OPTIONS}
    found = set()
    for file in shipped.file:
        if file.name in spoken:
            found.add(file.name)
            assert spoken_part(file) == spoken_part(FileDescriptorProto.FromString(spoken[file.name].serialized_pb))
    assert found == set(spoken)
