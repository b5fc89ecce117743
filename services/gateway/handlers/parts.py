"""What the handlers of identity work with."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.gateway.key_safe import KeySafe
from services.gateway.login_throttle import LoginThrottle
from services.gateway.passwords import Passwords
from services.gateway.vendor_directory import VendorDirectory
from shared.auth.trust_state import TrustCopy
from shared.database import Database


@dataclass(frozen=True, slots=True)
class Parts:
    """The composed parts; `clock` gives the time in UTC, `vendors` tells which exist, None where nobody is asked."""

    database: Database
    passwords: Passwords
    throttle: LoginThrottle
    key_safe: KeySafe
    trust: TrustCopy
    clock: Callable[[], datetime]
    login_token_life: timedelta
    api_token_life: timedelta
    vendors: VendorDirectory | None = None
