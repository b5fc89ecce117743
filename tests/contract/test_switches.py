"""What a deployment may switch off is off: reflection, metrics, the console and the documents."""

from pathlib import Path

import grpc
import httpx
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from shared.local.ports import free_port
from shared.settings import CommonSettings
from shared.telemetry import MetricsEndpoint, new_registry
from tests.contract.stack import open_stack
from tests.databases import Databases


async def listed(port: int) -> list[str]:
    """Return the services that a server lists by reflection."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        asked = [reflection_pb2.ServerReflectionRequest(list_services="")]
        answers = [answer async for answer in stub.ServerReflectionInfo(iter(asked), timeout=10)]
    return [service.name for answer in answers for service in answer.list_services_response.service]


@pytest.mark.parametrize("switched_on", [True, False])
async def test_reflection_can_be_switched_off(
    module_databases: Databases, module_redis_url: str, tmp_path: Path, *, switched_on: bool
) -> None:
    """On, a server lists its services; off, it knows no such method."""
    async with open_stack(module_databases, module_redis_url, tmp_path, reflection=switched_on) as stack:
        for port in stack.ports.values():
            if switched_on:
                assert any(name.startswith("charging.") for name in await listed(port))
            else:
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await listed(port)
                assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("switched_on", [True, False])
def test_metrics_are_served_on_their_own_port_or_not_at_all(module_redis_url: str, tmp_path: Path, *, switched_on: bool) -> None:
    """Port 0 switches them off; no other port ever shows them."""
    port = free_port()
    settings = CommonSettings(redis_url=module_redis_url, keys_dir=tmp_path, metrics_port=port if switched_on else 0)
    endpoint = MetricsEndpoint(settings, new_registry())
    endpoint.start()
    try:
        if switched_on:
            assert "python_gc" in httpx.get(f"http://127.0.0.1:{port}/metrics").text
        else:
            with pytest.raises(httpx.ConnectError):
                httpx.get(f"http://127.0.0.1:{port}/metrics")
    finally:
        endpoint.stop()


@pytest.mark.parametrize(("switched_on", "status"), [(True, 200), (False, 404)])
async def test_console_and_documents_are_served_or_not(
    module_databases: Databases, module_redis_url: str, tmp_path: Path, status: int, *, switched_on: bool
) -> None:
    """Switched off, nothing of them is at the door."""
    async with open_stack(module_databases, module_redis_url, tmp_path, console=switched_on, docs=switched_on) as stack:
        found = {path: (await stack.send("GET", path)).status_code for path in ("/console/", "/api/docs/", "/api/openapi.json")}

    assert set(found.values()) == {status}, found
