"""Crash points: armed by a file, once, in the development profile only."""

from datetime import timedelta
from pathlib import Path

import pytest

from services.customer_charge.operations.accept_charges import accept_charges
from shared import clock
from shared.crash_points import CrashPoints, armed, crash_point, operation_of
from shared.settings import CommonSettings, load_settings


@pytest.fixture
def deaths() -> list[str]:
    """Give the record of what died."""
    return []


@pytest.fixture
def points(tmp_path: Path, deaths: list[str]) -> CrashPoints:
    """Give the points of a worker that only notes that it died."""
    return CrashPoints(tmp_path, "customer_charge.worker", die=lambda: deaths.append("worker"))


def test_the_wanted_hit_kills_once_and_disarms(points: CrashPoints, tmp_path: Path, deaths: list[str]) -> None:
    """The successor comes to the same place and lives."""
    (tmp_path / "settle_charges.before_commit").write_text("2")

    points.reach("settle_charges.before_commit")
    assert deaths == []
    points.reach("settle_charges.before_commit")
    assert deaths == ["worker"]
    points.reach("settle_charges.before_commit")
    assert deaths == ["worker"]
    assert list(tmp_path.iterdir()) == []


def test_a_point_of_another_service_is_passed(points: CrashPoints, tmp_path: Path, deaths: list[str]) -> None:
    """The scheduler runs the same operations: a test says whose it means."""
    armed_for_another = tmp_path / "settle_charges.after_commit"
    armed_for_another.write_text("1 scheduler")
    points.reach("settle_charges.after_commit")
    assert deaths == []
    assert armed_for_another.exists()


def test_an_operation_gives_its_name_to_its_points() -> None:
    """A new file in `operations` has its points without a word."""
    assert operation_of(accept_charges) == "accept_charges"


def test_the_clock_may_be_off(points: CrashPoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every reader of the time of day sees the step, and sees it end."""
    monkeypatch.setattr(clock, "_offset", points.clock_offset)
    (tmp_path / "clock").write_text("-3600")
    early, early_ns = clock.utc_now(), clock.unix_now_ns()
    (tmp_path / "clock").unlink()
    assert timedelta(minutes=59) < clock.utc_now() - early < timedelta(minutes=61)
    assert 59 * 60 < clock.unix_now() - early_ns / 1e9 < 61 * 60


def test_nothing_is_armed_without_a_folder() -> None:
    """A point of a process that no test commands does nothing."""
    assert not armed()
    crash_point("before_commit", accept_charges)


@pytest.mark.parametrize("profile", ["", "production"])
def test_a_process_in_production_does_not_start_with_faults(
    profile: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A forgotten variable is a mistake that is told, not a danger."""
    monkeypatch.setenv("CHARGING_FAULTS_DIR", str(tmp_path))
    monkeypatch.delenv("CHARGING_PROFILE", raising=False)
    if profile:
        monkeypatch.setenv("CHARGING_PROFILE", profile)
    with pytest.raises(SystemExit, match="2"):
        load_settings(CommonSettings)
    assert "CHARGING_FAULTS_DIR" in capsys.readouterr().err
