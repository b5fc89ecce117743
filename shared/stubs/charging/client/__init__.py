"""Channels for the generated stubs: they carry the token, set deadlines, and repeat a call only where the contract says it is safe.

from charging.client import connect

with connect("127.0.0.1:50052", token="...") as channel:
    ChargeServiceStub(channel).IncreaseCredit(IncreaseCreditRequest(vendor_id=1, customer_id=1, amount=100))
"""

from charging.client.aio_calls import AioToken
from charging.client.connecting import Tls, connect, connect_aio
from charging.client.errors import FieldViolation, field_violations, idempotency_key_of, reason_of, retry_after
from charging.client.sync_calls import Token

__all__ = [
    "AioToken",
    "FieldViolation",
    "Tls",
    "Token",
    "connect",
    "connect_aio",
    "field_violations",
    "idempotency_key_of",
    "reason_of",
    "retry_after",
]
