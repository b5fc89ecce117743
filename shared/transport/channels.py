"""gRPC channels to this system's own services."""

from collections.abc import Sequence

import grpc

from shared.crash_points import armed
from shared.tls.credentials import channel_credentials
from shared.tls.files import TlsFiles
from shared.transport.crash_interceptor import CrashInterceptor

MAX_MESSAGE_BYTES = 4 * 1024 * 1024

OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    # Without a pool of its own a channel would share the connection of another one, and so the process behind it.
    ("grpc.use_local_subchannel_pool", 1),
    # A server that comes back is found again within a second, not after gRPC's two minutes.
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # A container or pod that comes back often has another address; by default gRPC asks the name service every 30 s at most.
    ("grpc.dns_min_time_between_resolutions_ms", 1_000),
    # A frozen peer is noticed by pings, not by the caller's deadline alone.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.enable_retries", 0),
    # Behind a name with many addresses, such as a headless service, every process gets its share; with one address it changes nothing.
    ("grpc.lb_policy_name", "round_robin"),
)


def open_channel(address: str, tls: TlsFiles | None, interceptors: Sequence[grpc.aio.ClientInterceptor] = ()) -> grpc.aio.Channel:
    """Return a channel to one service, or to all processes of it, encrypted where `tls` is given.

    `address` is `host:port`, or any gRPC target: of `dns:///name:port` and `ipv4:a:port,b:port` each address gets its share of the calls.
    Retries are ours alone: only the sender knows what is safe to repeat.
    """
    inside = [*interceptors, CrashInterceptor()] if armed() else [*interceptors]
    if tls is None:
        return grpc.aio.insecure_channel(address, options=OPTIONS, interceptors=inside or None)
    return grpc.aio.secure_channel(address, channel_credentials(tls), options=OPTIONS, interceptors=inside or None)
