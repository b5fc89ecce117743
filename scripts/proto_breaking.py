"""Refuse changes of the contract that break clients of the last release: `buf breaking` against protos/released.binpb.

The image is the contract as it was released. `--renew` makes it anew from protos/, which `make release` does.
"""

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IMAGE = ROOT / "protos" / "released.binpb"
STAGED = ROOT / "build" / "protos"


def main() -> int:
    """Compare, or renew the image; return buf's status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--renew", action="store_true", help="take protos/ for released")
    options = parser.parse_args()
    scripts = Path(__file__).resolve().parent
    subprocess.run([sys.executable, scripts / "generate_stubs.py", "--stage-only"], check=True)
    buf = str(Path(sys.executable).with_name("buf"))
    # Without comments: the image is for the comparison only, and comments come and go.
    command = [buf, "build", "--exclude-source-info", "-o", str(IMAGE)] if options.renew else [buf, "breaking", "--against", str(IMAGE)]
    return subprocess.run(command, cwd=STAGED, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
