"""The types that every interceptor's signature speaks of."""

from collections.abc import Callable, Coroutine
from typing import Any

import grpc

Context = grpc.aio.ServicerContext[Any, Any]
"""The context of a call; an InnerContext for a call that did not arrive by a gRPC server of its own."""

Serving = Coroutine[Any, Any, object]
"""The rest of a call, begun by whoever awaits it. An interceptor that decides at once is a plain function which returns what the next one
returned: a coroutine of its own for each would cost more than most of them do."""

Handler = Callable[[Any, Context], Serving]
"""The next interceptor of the chain, or the handler itself."""
