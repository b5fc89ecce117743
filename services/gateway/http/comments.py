"""The comments of the .proto files, which are the texts of the reference.

Comments do not survive into the descriptors that programs carry; the generated descriptor set beside the stubs has them.
"""

from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet

_MESSAGES, _ENUMS, _SERVICES = 4, 5, 6
"""Numbers of the lists in a FileDescriptorProto, of which a comment's position is made."""
_MEMBERS, _NESTED_MESSAGES, _NESTED_ENUMS = 2, 3, 4
"""The same within a message, enum or service."""

Position = tuple[int, ...]


def load_comments() -> Mapping[str, str]:
    """Return the comment of every message, field, enum, value, service and method of the contract, by full name."""
    contract = FileDescriptorSet.FromString(files("charging").joinpath("descriptors.binpb").read_bytes())
    comments: dict[str, str] = {}
    for file in contract.file:
        names = dict(_positions(file))
        for location in file.source_code_info.location:
            name = names.get(tuple(location.path))
            if name is not None and location.leading_comments:
                comments[name] = _unwrap(location.leading_comments)
    return comments


def _positions(file: FileDescriptorProto) -> Iterator[tuple[Position, str]]:
    for index, service in enumerate(file.service):
        yield from _with_members((_SERVICES, index), f"{file.package}.{service.name}", service.method)
    for index, enum in enumerate(file.enum_type):
        yield from _with_members((_ENUMS, index), f"{file.package}.{enum.name}", enum.value)
    for index, message in enumerate(file.message_type):
        yield from _of_message((_MESSAGES, index), f"{file.package}.{message.name}", message)


def _of_message(position: Position, name: str, message: DescriptorProto) -> Iterator[tuple[Position, str]]:
    yield from _with_members(position, name, message.field)
    for index, enum in enumerate(message.enum_type):
        yield from _with_members((*position, _NESTED_ENUMS, index), f"{name}.{enum.name}", enum.value)
    for index, nested in enumerate(message.nested_type):
        yield from _of_message((*position, _NESTED_MESSAGES, index), f"{name}.{nested.name}", nested)


def _with_members(position: Position, name: str, members: Any) -> Iterator[tuple[Position, str]]:
    yield position, name
    for index, member in enumerate(members):
        yield (*position, _MEMBERS, index), f"{name}.{member.name}"


def _unwrap(comment: str) -> str:
    """Return a comment with its lines joined to paragraphs."""
    paragraphs = "\n".join(line.strip() for line in comment.strip().splitlines()).split("\n\n")
    return "\n\n".join(paragraph.replace("\n", " ") for paragraph in paragraphs)
