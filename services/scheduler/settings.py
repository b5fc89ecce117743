"""Settings of the scheduler: those of the services whose work it does."""

from services.customer_charge.settings import CustomerChargeSettings
from services.vendor_credit.settings import VendorCreditSettings
from shared.settings import CommonSettings


class SchedulerSettings(CommonSettings):
    """What the scheduler itself may be told; the services' own settings come beside it."""


__all__ = ["CustomerChargeSettings", "SchedulerSettings", "VendorCreditSettings"]
