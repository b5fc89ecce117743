"""Between the messages of the contract and the objects of the domain."""

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

from charging.identity.v1 import identity_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from services.gateway.domain.tokens import OutstandingToken
from services.gateway.domain.users import User
from shared.auth.tokens import USER_ROLES
from shared.errors import InvalidArgument
from shared.paging import decode_page_token
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


TOKEN_KINDS: Mapping[str, identity_pb2.UserTokenKind.ValueType] = {
    "login": identity_pb2.USER_TOKEN_KIND_LOGIN,
    "api": identity_pb2.USER_TOKEN_KIND_API,
}


def token_message(token: OutstandingToken) -> identity_pb2.UserToken:
    """Return what callers see of a token that was given out."""
    return identity_pb2.UserToken(
        jti=str(token.jti),
        kind=TOKEN_KINDS[token.kind],
        label=token.label,
        issued_at=timestamp(token.issued_at),
        expires_at=timestamp(token.expires_at),
    )


def page_token_token(page_token: str) -> tuple[datetime, UUID] | None:
    """Return when the last token shown was issued, and its id; None for the first page. Raises InvalidArgument."""
    key = decode_page_token(page_token, str, str)
    if key is None:
        return None
    try:
        return datetime.fromisoformat(str(key[0])).astimezone(UTC), UUID(str(key[1]))
    except (ValueError, OverflowError):
        raise InvalidArgument.of_field("page_token", "is not a token that was given out") from None


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
