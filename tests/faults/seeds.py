"""How often every fault is tried, each time at other moments."""

import os

SEEDS = range(int(os.environ.get("FAULT_SEEDS", "1")))
"""FAULT_SEEDS says how many; a failure names its seed, and FAULT_SEEDS above it replays it."""
