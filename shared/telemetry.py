"""Logs and metrics of a process."""

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any
from wsgiref.simple_server import WSGIServer

import structlog
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, start_http_server

from shared.call import CURRENT_CALL
from shared.settings import CommonSettings
from shared.tracing.ids import trace_id_text

SECRET_KEYS = frozenset({"authorization", "token", "password", "secret", "private_key"})
"""Fields that never reach a log, whoever passes them."""

SECRET_TEXTS = re.compile(r"(\b(?:Token|Bearer)\s+)[\w.~+/=-]{16,}|(://[^\s:/@]*:)[^\s@/]+(?=@)")
"""Tokens and passwords within a text, such as that of an error: behind the scheme of a header, and before the host of a URL."""


def configure_logging(settings: CommonSettings, service: str) -> None:
    """Write events to standard output, for people or as JSON lines."""
    console = settings.log_format == "console"
    # Never the variables of a failed function: they hold passwords, tokens and keys. Before `_redact`, which reads what errors say too.
    exceptions = (
        structlog.processors.format_exc_info
        if console
        else structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))
    )
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        _add_call,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S.%f" if console else "iso", utc=not console),
        exceptions,
        _redact,
    ]
    renderer: structlog.typing.Processor
    if console:
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stdout.isatty(), pad_event_to=0, exception_formatter=structlog.dev.plain_traceback
        )
    else:
        renderer = structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, settings.log_level)),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    if not console:
        structlog.contextvars.bind_contextvars(service=service)
    # Libraries speak through the standard logging; their lines get the same form.
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def _add_call(_: Any, __: str, event: Any) -> Any:
    """Say which call a line was written in, looked up only when there is a line: its ids, and who made it.

    `call_id` is also the id of the charge that the call makes, and `trace_id` the same as tools for traces write it.
    """
    call = CURRENT_CALL.get(None)
    if call is not None:
        event.setdefault("request_id", call.request_id)
        event.setdefault("call_id", call.call_id)
        event.setdefault("trace_id", trace_id_text(call.call_id))
        if call.principal is not None:
            event.setdefault("principal", call.principal.subject)
    return event


def _redact(_: Any, __: str, event: Any) -> Any:
    for key, value in event.items():
        event[key] = _without_secrets(key, value)
    return event


def _without_secrets(key: object, value: object) -> object:
    """Return what may be written of a value: nothing under the name of a secret, at any depth, and no token or password within a text."""
    if isinstance(key, str) and key.lower() in SECRET_KEYS:
        return "***"
    if isinstance(value, str):
        return SECRET_TEXTS.sub(r"\1\2***", value)
    if isinstance(value, Mapping):
        return {inner: _without_secrets(inner, content) for inner, content in value.items()}
    if isinstance(value, list | tuple):
        return [_without_secrets(None, content) for content in value]
    return value


def new_registry() -> CollectorRegistry:
    """Return a registry with the facts every process shows: memory, CPU, garbage collection."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


class MetricsEndpoint:
    """`/metrics` on a port of its own, from a thread of its own."""

    def __init__(self, settings: CommonSettings, registry: CollectorRegistry) -> None:
        self._host, self._port, self._registry = settings.host, settings.metrics_port, registry
        self._server: WSGIServer | None = None

    def start(self) -> None:
        """Begin to serve; does nothing when the port is 0. A taken port is logged and costs the metrics, not the service."""
        if not self._port:
            return
        try:
            self._server, _ = start_http_server(self._port, self._host, self._registry)
        except OSError as error:
            structlog.get_logger(__name__).warning("metrics.unavailable", port=self._port, error=str(error))

    def stop(self) -> None:
        """Stop serving."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
