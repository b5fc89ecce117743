"""A user is given vendors that exist; while nobody can tell, it is given what was asked."""

from uuid import uuid4

import grpc
import pytest
from charging.identity.v1 import identity_pb2

from services.gateway.vendor_directory import VendorDirectory
from shared.local.ports import free_port
from tests.contract.stack import PASSWORD
from tests.contract.world import MISSING_ID, USERS, World


async def test_a_vendor_that_does_not_exist_is_named(world: World) -> None:
    """The item is named at both doors, by the name that the door uses, and no user is made."""
    before = world.stack.fingerprint()
    request = identity_pb2.CreateUserRequest(
        username=f"user-{uuid4()}", password=PASSWORD, role=identity_pb2.ROLE_PARTNER, vendor_ids=[world.ours.vendor, MISSING_ID]
    )
    reply = await world.stack.call(USERS + "CreateUser", request, world.operator)
    assert (reply.code, reply.fields) == (grpc.StatusCode.INVALID_ARGUMENT, {"vendor_ids[1]"})
    body = {"username": request.username, "password": PASSWORD, "role": "partner", "vendors": [MISSING_ID]}
    answer = await world.stack.send("POST", "/api/auth/users/", world.operator, body)
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == ["vendors[0]"]
    assert world.stack.fingerprint() == before


@pytest.mark.parametrize("vendor_ids", [[], [MISSING_ID]])
async def test_nothing_is_refused_while_nobody_can_tell(vendor_ids: list[int]) -> None:
    """Users are made with the other service gone."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{free_port()}") as channel:
        await VendorDirectory(channel, lambda: "token").require(vendor_ids, "vendor_ids")
