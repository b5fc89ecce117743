"""A load generator for gRPC: `python -m benchmarks.grpc_load` reads a LoadPlan and prints a LoadReport. Closed loop.

`transport` is `unary` (a partner's generated stub, one RPC a charge), `envelope` (what the gateway does with calls that arrive together) or
`bulk` (BatchIncreaseCredit).
"""

import asyncio
import dataclasses
import json
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
from charging.customer_charge.v1 import customer_charge_pb2 as pb
from charging.customer_charge.v1 import customer_charge_pb2_grpc as rpc

from benchmarks.load_plan import LoadPlan, LoadReport, plan_from
from benchmarks.statistics import percentile
from benchmarks.world import AMOUNT_MAX
from shared.auth.peer_tokens import PeerTokenSource
from shared.call import CALL_ID_KEY, CLIENT_ADDRESS_KEY
from shared.transport.channels import open_channel
from shared.transport.envelope_client import EnvelopeBackend
from shared.uuid7 import uuid7_text

CHANNELS = 4
"""Connections that the calls are spread over; one channel alone is a single HTTP/2 connection."""

CALL_SECONDS_MAX = 30.0
INCREASE_CREDIT = "/charging.customer_charge.v1.ChargeService/IncreaseCredit"

Sender = Callable[[int], Awaitable[Counter[int]]]
"""Sends the call of this number and returns how many charges ended with which google.rpc.Code."""


class GrpcLoad:
    """One run of a plan."""

    def __init__(self, plan: LoadPlan) -> None:
        self._plan = plan
        self._random = random.Random(plan.run)
        self._statuses: Counter[int] = Counter()
        self._latencies: list[float] = []
        self._number = 0

    async def run(self) -> LoadReport:
        """Run the plan and return what was seen."""
        async with AsyncExitStack() as stack:
            channels = [await stack.enter_async_context(open_channel(f"127.0.0.1:{self._plan.port}", None)) for _ in range(CHANNELS)]
            for channel in channels:
                await channel.channel_ready()
            send = {"unary": self._unary, "envelope": self._envelope, "bulk": self._bulk}[self._plan.transport](channels)
            started_at = time.time()
            end = time.monotonic() + self._plan.seconds
            await asyncio.gather(*[self._caller(send, end) for _ in range(self._plan.in_flight)])
            ended_at = time.time()
        spent = resource.getrusage(resource.RUSAGE_SELF)
        return LoadReport(
            started_at=started_at,
            ended_at=ended_at,
            calls=self._number,
            statuses={str(code): count for code, count in sorted(self._statuses.items())},
            cpu_seconds=spent.ru_utime + spent.ru_stime,
            p50_ms=percentile(self._latencies, 50) * 1000,
            p99_ms=percentile(self._latencies, 99) * 1000,
        )

    async def _caller(self, send: Sender, end: float) -> None:
        while time.monotonic() < end and (not self._plan.limit or self._number < self._plan.limit):
            self._number += 1
            started = time.monotonic()
            self._statuses.update(await send(self._number))
            self._latencies.append(time.monotonic() - started)

    def _unary(self, channels: list[grpc.aio.Channel]) -> Sender:
        stubs = [rpc.ChargeServiceStub(channel) for channel in channels]

        async def send(number: int) -> Counter[int]:
            request, token = self._request()
            metadata = (("authorization", f"Token {token}"), ("idempotency-key", f"{self._plan.run}-{number}"))
            try:
                await stubs[number % CHANNELS].IncreaseCredit(request, metadata=metadata, timeout=CALL_SECONDS_MAX)
            except grpc.aio.AioRpcError as error:
                return Counter({int(error.code().value[0]): 1})
            return Counter({0: 1})

        return send

    def _envelope(self, channels: list[grpc.aio.Channel]) -> Sender:
        tokens = PeerTokenSource(Path(self._plan.keys_dir), "gateway")
        backend = EnvelopeBackend(channels[0], lambda: tokens.token("customer_charge"), name="customer_charge")

        async def send(number: int) -> Counter[int]:
            request, token = self._request()
            metadata = [
                (CLIENT_ADDRESS_KEY, "127.0.0.1"),
                (CALL_ID_KEY, uuid7_text()),
                ("authorization", f"Token {token}"),
                ("idempotency-key", f"{self._plan.run}-{number}"),
            ]
            answer = await backend.call(INCREASE_CREDIT, request.SerializeToString(), metadata, CALL_SECONDS_MAX)
            return Counter({answer.code: 1})

        return send

    def _bulk(self, channels: list[grpc.aio.Channel]) -> Sender:
        stubs = [rpc.ChargeServiceStub(channel) for channel in channels]
        metadata = (("authorization", f"Token {self._plan.service_token}"),)

        async def send(number: int) -> Counter[int]:
            request = pb.BatchIncreaseCreditRequest(items=[self._item(number, index) for index in range(self._plan.items)])
            try:
                answer = await stubs[number % CHANNELS].BatchIncreaseCredit(request, metadata=metadata, timeout=CALL_SECONDS_MAX)
            except grpc.aio.AioRpcError as error:
                return Counter({int(error.code().value[0]): self._plan.items})
            return Counter(result.error.code for result in answer.results)

        return send

    def _request(self) -> tuple[pb.IncreaseCreditRequest, str]:
        chosen = self._random.randrange(len(self._plan.vendors))
        customer, amount = self._random.choice(self._plan.customers), self._random.randint(1, AMOUNT_MAX)
        return pb.IncreaseCreditRequest(vendor_id=self._plan.vendors[chosen], customer_id=customer, amount=amount), self._plan.tokens[
            chosen
        ]

    def _item(self, number: int, index: int) -> pb.BatchItem:
        return pb.BatchItem(
            vendor_id=self._random.choice(self._plan.vendors),
            customer_id=self._random.choice(self._plan.customers),
            amount=self._random.randint(1, AMOUNT_MAX),
            idempotency_key=f"{self._plan.run}-{number}-{index}",
        )


async def generate(plan: LoadPlan) -> LoadReport:
    """Run one plan."""
    return await GrpcLoad(plan).run()


def main() -> None:
    """Read the plan, run it, print the report."""
    plan = plan_from(sys.stdin.read())
    print(json.dumps(dataclasses.asdict(asyncio.run(generate(plan)))))


if __name__ == "__main__":
    main()
