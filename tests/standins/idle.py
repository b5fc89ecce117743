"""A process that waits to be stopped, and says so when it is."""

import signal
import sys

if __name__ == "__main__":
    print("idle stand-in waits", flush=True)
    received = signal.sigwait({signal.SIGTERM})
    print(f"idle stand-in got {received.name if isinstance(received, signal.Signals) else received}", flush=True)
    sys.exit(0)
