"""Compose what delivers webhooks, for the processes that do."""

from services.customer_charge.operations.deliver_webhooks import Delivery
from services.customer_charge.settings import CustomerChargeSettings
from services.customer_charge.webhooks.deliveries import Deliveries
from services.customer_charge.webhooks.sandbox_sender import SandboxSender
from services.customer_charge.webhooks.sender import WebhookSender
from services.customer_charge.webhooks.signing import SecretSafe
from shared.cells import Cells


def secret_safe(settings: CustomerChargeSettings) -> SecretSafe | None:
    """Return what keeps webhook secrets, None where webhooks are off."""
    secret = settings.webhook_encryption_secret
    return None if secret is None else SecretSafe(secret.get_secret_value())


def build_deliveries(settings: CustomerChargeSettings, cells: Cells) -> Deliveries | None:
    """Return the deliveries of this process, None where webhooks are off. Build it inside the event loop.

    Raises SystemExit for a sandbox in any other profile than that of development.
    """
    development = settings.profile == "development"
    if settings.sandbox and not development:
        raise SystemExit("setting CHARGING_SANDBOX: the sandbox, which posts some webhooks twice, is for the development profile")
    safe = secret_safe(settings)
    if safe is None:
        return None
    sender = SandboxSender(cells) if settings.sandbox else WebhookSender(development=development)
    return Deliveries(Delivery(cells, sender, safe, settings.webhook_disable_days))
