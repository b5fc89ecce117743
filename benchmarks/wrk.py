"""Closed-loop REST load by wrk, which costs the machine the least: its request is made by a few lines of Lua."""

import json
import resource
import shutil
import subprocess
import tempfile
import time
import zlib
from pathlib import Path

from benchmarks.load_plan import LoadFailed, LoadPlan, LoadReport
from benchmarks.world import AMOUNT_MAX

SCRIPT = """
local vendors, tokens, customers = {%(vendors)s}, {%(tokens)s}, {%(customers)s}
local number = 0
math.randomseed(%(seed)d)
request = function()
  number = number + 1
  local chosen = math.random(#vendors)
  local body = string.format('{"vendor": %%d, "customer": %%d, "amount": %%d}', vendors[chosen], customers[math.random(#customers)],
    math.random(%(amount_max)d))
  return string.format('POST /api/customer/increase-credit/ HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\nAuthorization: Token %%s\\r\\n'
    .. 'Content-Type: application/json\\r\\n'
    .. 'Idempotency-Key: %(run)s-%%d\\r\\nContent-Length: %%d\\r\\n\\r\\n%%s', tokens[chosen], number,
    #body, body)
end
done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format('\\nREPORT {"calls": %%d, "refused": %%d, "broken": %%d, "p50": %%f, "p99": %%f}\\n',
    summary.requests, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout, latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
"""
"""One thread, so one counter makes every key unique. The keys of a row begin with the name of its run."""


def wrk_program() -> str | None:
    """Return the path of wrk, None where it is not installed."""
    return shutil.which("wrk")


def run_wrk(program: str, plan: LoadPlan) -> LoadReport:
    """Run the plan to its end. Raises LoadFailed."""
    script = SCRIPT % {
        "vendors": ",".join(map(str, plan.vendors)),
        "tokens": ",".join(f'"{token}"' for token in plan.tokens),
        "customers": ",".join(map(str, plan.customers)),
        "seed": zlib.crc32(plan.run.encode()),
        "amount_max": AMOUNT_MAX,
        "run": plan.run,
    }
    with tempfile.TemporaryDirectory(prefix="charging-wrk-") as folder:
        path = Path(folder, "charge.lua")
        path.touch(mode=0o600)
        path.write_text(script)
        command = [program, "--threads", "1", "--connections", str(plan.in_flight), "--duration", f"{max(1, round(plan.seconds))}s"]
        command += ["--timeout", "30s", "--script", str(path), f"http://127.0.0.1:{plan.port}"]
        spent = resource.getrusage(resource.RUSAGE_CHILDREN)
        started_at = time.time()
        outcome = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - found on PATH
        ended_at = time.time()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    _, mark, text = outcome.stdout.rpartition("REPORT ")
    if outcome.returncode != 0 or not mark:
        raise LoadFailed(f"wrk: {outcome.stdout[-500:]} {outcome.stderr[-500:]}")
    told = json.loads(text)
    return LoadReport(
        started_at=started_at,
        ended_at=ended_at,
        calls=told["calls"],
        statuses={"2xx": told["calls"] - told["refused"], **({"refused": told["refused"]} if told["refused"] else {})},
        cpu_seconds=used.ru_utime + used.ru_stime - spent.ru_utime - spent.ru_stime,
        p50_ms=told["p50"],
        p99_ms=told["p99"],
        broken=told["broken"],
    )
