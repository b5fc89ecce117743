"""The sample of all settings."""

import re
from pathlib import Path

import pytest

from services.customer_charge.settings import CustomerChargeSettings
from services.gateway.settings import GatewaySettings
from services.vendor_credit.settings import VendorCreditSettings
from shared.local.choices import ENGINE_PORTS, METRICS_PORT_SETTING, PASSWORD_NAMES
from shared.local.processes import COUNT_SETTING, PROGRAMS
from shared.local.wal_archive import BACKUP_DIR_SETTING
from shared.settings import CommonSettings

SAMPLE = Path(__file__).parents[2] / ".env.sample"
LOCAL = {
    "CHARGING_STATE_DIR",
    "CHARGING_SECRETS_DIR",
    "CHARGING_CA_FILE",
    BACKUP_DIR_SETTING,
    COUNT_SETTING,
    METRICS_PORT_SETTING,
    *ENGINE_PORTS,
    *PASSWORD_NAMES.values(),
}
LOCAL |= {program.count_setting for program in PROGRAMS if program.count_setting}


def sampled() -> set[str]:
    """Return the names in the sample."""
    return set(re.findall(r"^#?([A-Z_]+)=", SAMPLE.read_text(), flags=re.MULTILINE))


def names_of(kind: type[CommonSettings]) -> set[str]:
    """Return the variables that settings of this kind are read from."""
    found = set()
    for name, field in kind.model_fields.items():
        choices = getattr(field.validation_alias, "choices", None)
        found |= {str(choice) for choice in choices if str(choice).isupper()} if choices else {f"CHARGING_{name.upper()}"}
    return found


@pytest.mark.parametrize("kind", [CustomerChargeSettings, GatewaySettings, VendorCreditSettings])
def test_every_setting_is_in_the_sample(kind: type[CommonSettings]) -> None:
    """Who reads the sample knows what can be set."""
    assert names_of(kind) - sampled() == set()


def test_the_sample_names_nothing_else() -> None:
    """A setting that is gone, or was never there, is not promised."""
    known = names_of(CustomerChargeSettings) | names_of(GatewaySettings) | names_of(VendorCreditSettings)

    assert sampled() - known == LOCAL
