"""How often anybody may try to sign in under one name, from wherever.

The limit of every method counts per client address, and who guesses passwords may have many addresses. This one counts per user name, the
same for names that nobody has: so it tells nothing, and a password can be guessed at this pace at most. It also means that a stranger can
keep a user from signing in while an attack lasts; tokens in force go on working.
"""

from shared.admission.answers import over_limit
from shared.admission.asks import Ask, Outcome, key_of
from shared.admission.gate import Gate, build_gate
from shared.admission.limits import MICROSECONDS, Algorithm, Quota
from shared.settings import CommonSettings

NO_KEY = b""


class LoginThrottle:
    """Counts sign-ins per user name; in Redis, and in this process while Redis is away."""

    def __init__(self, gate: Gate, quota: Quota) -> None:
        self._gate = gate
        self._quota = quota

    async def admit(self, username: str) -> None:
        """Count an attempt under this name. Raises ResourceExhausted (RATE_LIMITED) for one too many, and Overloaded."""
        ask = Ask(self._quota, key_of("limit", "login", username), 1, NO_KEY, "", 0, NO_KEY)
        verdict = await self._gate.decide(ask)
        if verdict.outcome is Outcome.OVER_LIMIT:
            raise over_limit(self._quota, verdict)

    async def close(self) -> None:
        """Disconnect."""
        await self._gate.close()


def build_login_throttle(settings: CommonSettings, requests: int) -> LoginThrottle:
    """Compose the throttle: so many `requests` in a window of the settings. It connects when it is first asked."""
    quota = Quota("login", Algorithm.WINDOW, requests, settings.rate_limit_window_seconds * MICROSECONDS)
    return LoginThrottle(build_gate(settings), quota)
