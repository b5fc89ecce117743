"""Where settings come from."""

from pathlib import Path

import pytest

from services.vendor_credit.settings import VendorCreditSettings
from shared.settings import environment_with_secrets, load_settings

URL = "postgresql://from-a-file/charging"


@pytest.fixture
def secrets_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a secrets folder that holds the service's database URL, and an environment that names the folder only."""
    for name in ("DATABASE_URL", "CHARGING_VENDOR_CREDIT_DATABASE_URL", "CHARGING_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CHARGING_SECRETS_DIR", str(tmp_path))
    (tmp_path / "CHARGING_VENDOR_CREDIT_DATABASE_URL").write_text(f"{URL}\n")
    (tmp_path / "keys").mkdir()
    return tmp_path


@pytest.mark.usefixtures("secrets_dir")
def test_a_setting_may_be_a_file() -> None:
    """A secret need not be in the environment."""
    assert load_settings(VendorCreditSettings).database_url == URL


@pytest.mark.usefixtures("secrets_dir")
def test_a_variable_wins_over_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who sets a variable for one run gets it."""
    monkeypatch.setenv("CHARGING_VENDOR_CREDIT_DATABASE_URL", "postgresql://variable/charging")

    assert load_settings(VendorCreditSettings).database_url == "postgresql://variable/charging"
    assert environment_with_secrets()["CHARGING_VENDOR_CREDIT_DATABASE_URL"] == "postgresql://variable/charging"


@pytest.mark.usefixtures("secrets_dir")
def test_jobs_read_the_same_files() -> None:
    """The set-up finds its passwords where the services find theirs."""
    assert environment_with_secrets()["CHARGING_VENDOR_CREDIT_DATABASE_URL"] == URL


def test_a_missing_setting_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], secrets_dir: Path) -> None:
    """A process without its database says so, and does not start."""
    (secrets_dir / "CHARGING_VENDOR_CREDIT_DATABASE_URL").unlink()

    with pytest.raises(SystemExit, match="2"):
        load_settings(VendorCreditSettings)

    assert "CHARGING_VENDOR_CREDIT_DATABASE_URL" in capsys.readouterr().err


@pytest.mark.usefixtures("secrets_dir")
def test_demo_data_needs_the_development_profile_or_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """Users with known passwords come into being by intention only."""
    assert not load_settings(VendorCreditSettings).demo_data_allowed

    monkeypatch.setenv("CHARGING_DEMO_DATA", "true")
    assert load_settings(VendorCreditSettings).demo_data_allowed

    monkeypatch.delenv("CHARGING_DEMO_DATA")
    monkeypatch.setenv("CHARGING_PROFILE", "development")
    assert load_settings(VendorCreditSettings).demo_data_allowed
