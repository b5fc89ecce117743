"""Run the gateway."""

from services.gateway.app import SERVICE, GatewayApp
from services.gateway.settings import GatewaySettings
from shared.main import run
from shared.settings import load_settings

if __name__ == "__main__":
    settings = load_settings(GatewaySettings)
    run(SERVICE, settings, lambda: GatewayApp(settings))
