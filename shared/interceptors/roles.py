"""Refuse callers whose role may not call the method at all, before their request is even read."""

from grpc_interceptor.server import AsyncServerInterceptor

from shared.auth.signed_token import refused
from shared.call import Call, current_call
from shared.errors import PermissionDenied
from shared.interceptors.types import Context, Handler, Serving


class RoleInterceptor(AsyncServerInterceptor):
    """Let a call pass when the caller's role is in the method's policy: who may not call it learns nothing of its fields.

    Raises PermissionDenied (ROLE_NOT_ALLOWED). Whose vendors a request names is for the authorization to check, once it is read.
    """

    def intercept(self, method: Handler, request_or_iterator: object, context: Context, method_name: str) -> Serving:
        """Check the caller's role, then go on."""
        call = current_call()
        if not call.policy.open:
            check_role(call)
        return method(request_or_iterator, context)


def check_role(call: Call) -> None:
    """Raise unless the caller's role is in the policy of the method, which needs a token."""
    principal, policy = call.principal, call.policy
    if principal is None:
        raise refused()
    if principal.role not in policy.roles:
        role = principal.role.name.lower()
        message = f"the role {role} may not call {policy.name}"
        raise PermissionDenied(message, reason="ROLE_NOT_ALLOWED", metadata={"role": role, "method": policy.name})
