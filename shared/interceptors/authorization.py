"""Decide whether the caller may make this call, by the method's policy alone."""

from google.protobuf.message import Message
from grpc_interceptor.server import AsyncServerInterceptor

from shared.call import CURRENT_CALL, Call
from shared.errors import NotFound, PermissionDenied
from shared.interceptors.roles import check_role
from shared.interceptors.types import Context, Handler, Serving
from shared.policy import value_at
from shared.principal import Principal, Role

_CONFINED_ROLES = frozenset({Role.PARTNER, Role.SERVICE})


class AuthorizationInterceptor(AsyncServerInterceptor):
    """Let a call pass when the caller's role is in the policy and every vendor that the request names is the caller's.

    Raises PermissionDenied (ROLE_NOT_ALLOWED) for the role. Another's vendor answers NotFound, exactly as a missing one does: nobody
    learns which vendors exist. A call without a policy of its own is denied (METHOD_NOT_ALLOWED).
    """

    def intercept(self, method: Handler, request_or_iterator: Message, context: Context, method_name: str) -> Serving:
        """Check the caller's right, then go on."""
        call = CURRENT_CALL.get(None)
        # The chain is built for methods with a policy only. Should that ever fail, nothing gets through on another method's policy.
        if call is None or call.policy.name != method_name:
            raise PermissionDenied(f"{method_name} may be called by nobody", reason="METHOD_NOT_ALLOWED", metadata={"method": method_name})
        if not call.policy.open:
            authorize(call, request_or_iterator)
        return method(request_or_iterator, context)


def authorize(call: Call, request: Message) -> None:
    """Raise unless the caller of a method that needs a token may send this request."""
    # Asked before, when the request was not read yet, and once more here: this guard stands by itself, in whatever chain it is.
    check_role(call)
    if call.policy.vendor_path and call.caller.role in _CONFINED_ROLES:
        _check_vendors(call.caller, call.policy.vendor_path, request)


def _check_vendors(principal: Principal, path: tuple[str, ...], request: Message) -> None:
    for index, vendor_id in enumerate(value_at(request, path)):
        # 0 is an absent filter, which the operation confines to the caller's vendors, or a missing field, which it refuses.
        if vendor_id and vendor_id not in principal.vendors:
            raise NotFound.of("vendor", vendor_id, field=_field_name(path, index))


def _field_name(path: tuple[str, ...], index: int) -> str:
    """Return the field as the caller wrote it: `vendor_id`, or `items[3].vendor_id` where the vendors are named item by item."""
    return path[0] if len(path) == 1 else f"{path[0]}[{index}].{'.'.join(path[1:])}"
