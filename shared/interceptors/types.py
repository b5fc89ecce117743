"""The types that every interceptor's signature speaks of."""

from collections.abc import Awaitable, Callable
from typing import Any

import grpc

Context = grpc.aio.ServicerContext[Any, Any]
"""The context of a call; an InnerContext for a call that did not arrive by a gRPC server of its own."""

Handler = Callable[[Any, Context], Awaitable[object]]
"""The next interceptor of the chain, or the handler itself."""
