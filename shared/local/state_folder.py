"""Where a local stack keeps its files."""

import os
from pathlib import Path

DEFAULT = ".charging"


def state_folder() -> Path:
    """Return the folder that CHARGING_STATE_DIR names, `.charging` in the working directory without it, as an absolute path."""
    return Path(os.environ.get("CHARGING_STATE_DIR") or DEFAULT).absolute()
