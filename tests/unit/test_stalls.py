"""Which slots a sweeper takes on."""

from datetime import UTC, datetime, timedelta

from services.customer_charge.domain.stalls import Stalls

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(seconds=1)


def test_a_slot_is_swept_when_its_oldest_work_is_still_there_at_the_next_look() -> None:
    """One whose oldest work changes has a worker that is only busy."""
    stalls = Stalls()
    assert stalls.look({1: NOON, 2: NOON}) == []
    assert stalls.look({1: NOON, 2: LATER}) == [1]


def test_a_slot_where_a_sweep_found_work_is_swept_at_once_the_next_time() -> None:
    """Until a sweep finds that others were faster."""
    stalls = Stalls()
    stalls.swept(1, 5)
    assert stalls.look({}) == []
    assert stalls.look({1: NOON}) == [1]
    stalls.swept(1, 0)
    assert stalls.look({1: LATER}) == []
