"""Between the messages of the contract and the objects of the domain."""

from datetime import UTC, datetime

from charging.identity.v1 import identity_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from services.gateway.domain.users import User
from shared.auth.tokens import USER_ROLES
from shared.errors import InvalidArgument
from shared.principal import RateLimit


def user_message(user: User) -> identity_pb2.User:
    """Return the user as callers see it."""
    limit = user.rate_limit
    return identity_pb2.User(
        id=user.id,
        username=user.username,
        role=identity_pb2.Role.ValueType(USER_ROLES[user.role]),
        vendor_ids=user.vendor_ids,
        rate_limit=None if limit is None else identity_pb2.RateLimit(requests=limit.requests, window_seconds=limit.window_seconds),
        disabled=user.disabled,
        created_at=timestamp(user.created_at),
        approval_limit=user.approval_limit,
    )


def rate_limit_of(request: identity_pb2.CreateUserRequest | identity_pb2.CreateUserTokenRequest) -> RateLimit | None:
    """Return the contracted limit in a request, unchecked; None when it is absent."""
    if not request.HasField("rate_limit"):
        return None
    return RateLimit(request.rate_limit.requests, request.rate_limit.window_seconds)


def timestamp(time: datetime) -> Timestamp:
    """Return a time as a message."""
    message = Timestamp()
    message.FromDatetime(time)
    return message


def time_of(message: Timestamp, field: str) -> datetime:
    """Return a message as a time. Raises InvalidArgument naming `field` for one that no calendar has."""
    try:
        return message.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidArgument.of_field(field, "is not a time") from None
