"""What a contract must not contain, because this door could not serve it."""

from google.protobuf.descriptor import Descriptor


class ContractError(Exception):
    """The contract says something that has no form in HTTP/JSON. Raised at start-up, naming the method or field, never while serving."""


def refuse_recursion(message: Descriptor, inside: tuple[str, ...] = ()) -> None:
    """Raise ContractError where a message can hold itself: nothing would bound the depth of a body."""
    if message.full_name in inside:
        raise ContractError(f"{message.full_name} can hold itself, so nothing bounds how deep it nests")
    for field in message.fields:
        if field.message_type is not None:
            refuse_recursion(field.message_type, (*inside, message.full_name))
