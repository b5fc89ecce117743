"""Run the vendor-credit server."""

from services.vendor_credit.app import SERVICE, VendorCreditApp
from services.vendor_credit.settings import VendorCreditSettings
from shared.main import run
from shared.settings import load_settings

if __name__ == "__main__":
    settings = load_settings(VendorCreditSettings)
    run(SERVICE, settings, lambda: VendorCreditApp(settings))
