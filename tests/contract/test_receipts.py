"""Receipts at the HTTP door: signed, verified offline, and only of charges whose outcome is certain."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.contract.world import CHARGE, World
from tests.verifying import main


async def receipt(world: World, charge_id: str, token: str) -> Any:
    """Ask for a receipt."""
    return await world.stack.send("GET", f"/api/customer/charges/{charge_id}/receipt/", token)


async def keys_file(world: World, folder: Path) -> Path:
    """Save the published keys."""
    path = folder / "keys.json"
    path.write_bytes((await world.stack.send("GET", "/api/auth/keys/")).content)
    return path


async def charged(world: World, amount: int, **notes: str) -> str:
    """Accept a charge of our side; return its id."""
    body = {"vendor": world.ours.vendor, "customer": world.ours.customer, "amount": amount, **notes}
    return str((await world.stack.send("POST", "/api/customer/increase-credit/", world.ours.token, body)).json()["data"]["id"])


async def test_a_receipt_verifies_and_an_altered_one_names_the_fact(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a charge that succeeded and of one that failed; every fact of it is covered."""
    paid, refused = await charged(world, CHARGE, external_id="order-7"), await charged(world, 10**12)
    await world.stack.settle()
    keys, path = await keys_file(world, tmp_path), tmp_path / "receipt.json"
    for charge_id, status in ((paid, "succeeded"), (refused, "failed")):
        answer = await receipt(world, charge_id, world.ours.token)
        data = answer.json()["data"]
        assert (answer.status_code, data["id"], data["status"], "reason" in data) == (200, charge_id, status, status == "failed")
        path.write_bytes(answer.content)
        assert main([str(path), "--keys", str(keys)]) == 0, capsys.readouterr()
        assert f"receipt of charge {charge_id}" in capsys.readouterr().out
        for name in set(data) - {"signature"}:
            path.write_text(json.dumps({"data": {**data, name: "altered"}}))
            assert main([str(path), "--keys", str(keys)]) == 1
            assert f"FALSE  {name}: " in capsys.readouterr().out
            path.write_text(json.dumps({"data": {key: value for key, value in data.items() if key != name}}))
            assert main([str(path), "--keys", str(keys)]) == 1


async def test_a_charge_that_is_not_final_has_no_receipt(world: World) -> None:
    """409 until the outcome is certain."""
    charge_id = await charged(world, CHARGE)
    early = await receipt(world, charge_id, world.ours.token)
    assert (early.status_code, early.json()["reason"]) == (409, "CHARGE_NOT_FINAL")
    await world.stack.settle()
    assert (await receipt(world, charge_id, world.ours.token)).status_code == 200


async def test_anothers_receipt_is_missing(world: World) -> None:
    """As its charge is."""
    answer = await receipt(world, world.ours.charge, world.theirs.token)
    assert (answer.status_code, answer.json()["reason"]) == (404, "CHARGE_NOT_FOUND")
