"""Open channels to the services."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc

from charging.client.aio_calls import AioStreamCalls, AioToken, AioUnaryCalls
from charging.client.logical_call import Clock
from charging.client.sync_calls import SyncCalls, Token

DEFAULT_TIMEOUT_SECONDS = 10.0
"""Time of a call over all its tries, beyond what it asks to wait: as much as the services give a call at their HTTP door."""

Options = Sequence[tuple[str, Any]]

_OPTIONS: Options = (
    # A name that stands for many processes (`dns:///charges:50052`) is spread over all of them.
    ("grpc.service_config", json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})),
    # A service that comes back is found again within two seconds, not after gRPC's two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
)


@dataclass(frozen=True, slots=True)
class Tls:
    """Encrypt the connection, and believe servers whose certificate one of `root_certificates` signed.

    `root_certificates` are PEM; None takes those that come with gRPC. `server_name` is the name that the certificate must carry when it is
    not the one in the address. `certificate_chain` and `private_key`, PEM, are shown to a service that asks its callers for certificates.
    """

    root_certificates: bytes | None = None
    server_name: str | None = None
    certificate_chain: bytes | None = None
    private_key: bytes | None = field(default=None, repr=False)

    @property
    def options(self) -> Options:
        """Return the channel options."""
        return (("grpc.ssl_target_name_override", self.server_name),) if self.server_name else ()

    @property
    def credentials(self) -> grpc.ChannelCredentials:
        """Return the channel credentials."""
        return grpc.ssl_channel_credentials(self.root_certificates, self.private_key, self.certificate_chain)


def connect(
    address: str,
    *,
    token: Token | None = None,
    tls: Tls | None = None,
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
    options: Options = (),
) -> grpc.Channel:
    """Return a channel for the generated stubs. Safe in threads; open one per service and keep it.

    `address` is `host:port` or a gRPC target such as `dns:///charges:50052`. Without `tls` the connection, and so the token, is readable to
    who can listen: for this machine or a private mesh only. `timeout_seconds` is the deadline of a call that names none. `options` are
    channel options of gRPC and win over those set here.
    """
    interceptor = SyncCalls(token, timeout_seconds, Clock())
    if tls is None:
        channel = grpc.insecure_channel(address, options=(*_OPTIONS, *options))
    else:
        channel = grpc.secure_channel(address, tls.credentials, options=(*_OPTIONS, *tls.options, *options))
    return grpc.intercept_channel(channel, interceptor)


def connect_aio(
    address: str,
    *,
    token: AioToken | None = None,
    tls: Tls | None = None,
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
    options: Options = (),
) -> grpc.aio.Channel:
    """Return a channel of `grpc.aio` for the generated stubs, with the rules of `connect`. To be called on the running event loop."""
    interceptors: list[grpc.aio.ClientInterceptor] = [AioUnaryCalls(token, timeout_seconds, Clock()), AioStreamCalls(token)]
    if tls is None:
        return grpc.aio.insecure_channel(address, options=(*_OPTIONS, *options), interceptors=interceptors)
    return grpc.aio.secure_channel(address, tls.credentials, options=(*_OPTIONS, *tls.options, *options), interceptors=interceptors)
