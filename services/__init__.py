"""The services of the charging system; each owns its schema and never imports another."""

import os

# The gRPC library reads this once, so it comes before any import of it: it does its input and output in the thread that waits for it, and
# wakes no threads of its own for every message (docs/decisions/0050-grpc-polls-where-it-waits.md).
os.environ.setdefault("GRPC_EXPERIMENTS", "-event_engine_client,-event_engine_listener")
