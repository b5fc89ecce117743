"""The comments of the .proto files, which are the texts of the reference.

Comments do not survive into the descriptors that programs carry; the generated descriptor set beside the stubs has them.
"""

from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

_MESSAGES, _ENUMS, _SERVICES = 4, 5, 6
"""Numbers of the lists in a FileDescriptorProto, of which a comment's position is made."""
_MEMBERS, _NESTED_MESSAGES, _NESTED_ENUMS = 2, 3, 4
"""The same within a message, enum or service."""


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


def _positions(file: FileDescriptorProto) -> Iterator[tuple[tuple[int, ...], str]]:
    for index, service in enumerate(file.service):
        yield from _with_members((_SERVICES, index), f"{file.package}.{service.name}", service.method)
    yield from _types((), file.package, _MESSAGES, file.message_type, _ENUMS, file.enum_type)


def _types(
    position: tuple[int, ...], scope: str, messages_at: int, messages: Any, enums_at: int, enums: Any
) -> Iterator[tuple[tuple[int, ...], str]]:
    for index, enum in enumerate(enums):
        yield from _with_members((*position, enums_at, index), f"{scope}.{enum.name}", enum.value)
    for index, message in enumerate(messages):
        here, name = (*position, messages_at, index), f"{scope}.{message.name}"
        yield from _with_members(here, name, message.field)
        yield from _types(here, name, _NESTED_MESSAGES, message.nested_type, _NESTED_ENUMS, message.enum_type)


def _with_members(position: tuple[int, ...], name: str, members: Any) -> Iterator[tuple[tuple[int, ...], str]]:
    yield position, name
    for index, member in enumerate(members):
        yield (*position, _MEMBERS, index), f"{name}.{member.name}"


def _unwrap(comment: str) -> str:
    """Return a comment with its lines joined to paragraphs."""
    paragraphs = "\n".join(line.strip() for line in comment.strip().splitlines()).split("\n\n")
    return "\n\n".join(paragraph.replace("\n", " ") for paragraph in paragraphs)
