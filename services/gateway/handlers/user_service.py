"""charging.identity.v1.UserService."""

from typing import Any
from uuid import uuid4

import grpc.aio
from charging.identity.v1 import identity_pb2, identity_pb2_grpc

from services.gateway.domain.tokens import api_token
from services.gateway.domain.users import check_new_password, checked_new_user, checked_rate_limit
from services.gateway.handlers.messages import page_token_token, rate_limit_of, time_of, timestamp, token_message, user_message
from services.gateway.handlers.parts import Parts
from services.gateway.operations.create_user import create_user
from services.gateway.operations.create_user_token import create_user_token
from services.gateway.operations.disable_user import disable_user
from services.gateway.operations.list_user_tokens import list_user_tokens
from services.gateway.operations.list_users import list_users
from shared.call import current_call
from shared.paging import decode_page_token, encode_page_token, page_size_of

Context = grpc.aio.ServicerContext[Any, Any]


class UserService(identity_pb2_grpc.UserServiceServicer):
    """Users and the tokens of their systems."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def CreateUser(self, request: identity_pb2.CreateUserRequest, context: Context) -> identity_pb2.CreateUserResponse:
        """Create a user."""
        new_user = checked_new_user(
            request.username,
            request.role,
            request.vendor_ids,
            rate_limit_of(request),
            request.approval_limit if request.HasField("approval_limit") else None,
        )
        check_new_password(request.password)
        if self._parts.vendors is not None:
            await self._parts.vendors.require(request.vendor_ids, "vendor_ids")
        user = await create_user(
            self._parts.database,
            self._parts.passwords,
            new_user=new_user,
            password=request.password,
            now=self._parts.clock(),
            actor=current_call().caller.subject,
        )
        return identity_pb2.CreateUserResponse(data=user_message(user))

    async def ListUsers(self, request: identity_pb2.ListUsersRequest, context: Context) -> identity_pb2.ListUsersResponse:
        """List users in id order."""
        key = decode_page_token(request.page_token, int)
        after_id = int(key[0]) if key else 0
        found, more = await list_users(self._parts.database, after_id=after_id, page_size=page_size_of(request.page_size))
        next_page_token = encode_page_token(found[-1].id) if more else ""
        return identity_pb2.ListUsersResponse(users=map(user_message, found), next_page_token=next_page_token)

    async def DisableUser(self, request: identity_pb2.DisableUserRequest, context: Context) -> identity_pb2.DisableUserResponse:
        """Disable a user and every token they hold."""
        actor = current_call().caller.subject
        user = await disable_user(self._parts.database, user_id=request.id, now=self._parts.clock(), actor=actor)
        # This process refuses the user's tokens from the next call on; the others follow within seconds.
        await self._parts.trust.refresh()
        return identity_pb2.DisableUserResponse(data=user_message(user))

    async def ListUserTokens(self, request: identity_pb2.ListUserTokensRequest, context: Context) -> identity_pb2.ListUserTokensResponse:
        """List a user's tokens that are in force, the newest first."""
        found, more = await list_user_tokens(
            self._parts.database,
            request.id,
            now=self._parts.clock(),
            before=page_token_token(request.page_token),
            page_size=page_size_of(request.page_size),
        )
        token = encode_page_token(found[-1].issued_at.isoformat(), str(found[-1].jti)) if more else ""
        return identity_pb2.ListUserTokensResponse(tokens=map(token_message, found), next_page_token=token)

    async def CreateUserToken(self, request: identity_pb2.CreateUserTokenRequest, context: Context) -> identity_pb2.CreateUserTokenResponse:
        """Make a long-lived token for a user's system."""
        token = api_token(
            uuid4(),
            self._parts.clock(),
            self._parts.api_token_life,
            expires_at=time_of(request.expires_at, "expires_at") if request.HasField("expires_at") else None,
            label=request.label,
            rate_limit=checked_rate_limit(rate_limit_of(request)),
        )
        actor = current_call().caller.subject
        issued = await create_user_token(self._parts.database, self._parts.key_safe, user_id=request.id, token=token, actor=actor)
        return identity_pb2.CreateUserTokenResponse(
            token=issued.token, expires_at=timestamp(token.expires_at), jti=str(token.jti), label=token.label
        )
