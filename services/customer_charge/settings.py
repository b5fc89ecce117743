"""Settings of the customer-charge service."""

from typing import Annotated

from pydantic import AliasChoices, Field, SecretStr

from shared.settings import DatabaseSettings, Port


class CustomerChargeSettings(DatabaseSettings):
    """What the customer-charge server, worker and jobs may be told."""

    database_url: str = Field(validation_alias=AliasChoices("CHARGING_CUSTOMER_CHARGE_DATABASE_URL", "DATABASE_URL", "database_url"))
    grpc_port: Port = Field(default=50052, validation_alias=AliasChoices("CHARGING_CUSTOMER_CHARGE_PORT", "grpc_port"))
    grpc_peer_port: Port = Field(default=0, validation_alias=AliasChoices("CHARGING_CUSTOMER_CHARGE_PEER_PORT", "grpc_peer_port"))
    settle_slots: Annotated[int, Field(ge=1, le=256)] = 1
    """Into how many slots pending charges are spread, by vendor: how many workers may settle side by side. Every process of the service
    must have the same number. One gives the largest batches, and is the fastest until one worker has a processor to itself and is busy."""

    settle_batch: Annotated[int, Field(ge=1, le=10000)] = 2000
    """Most charges settled in one transaction."""

    sweep_seconds: Annotated[float, Field(gt=0)] = 1.0
    """How often the sweeper looks for work that no worker was woken for."""

    whole_check_hours: Annotated[float, Field(ge=0, le=8760)] = 24.0
    """After so many hours the scheduler reads everything in both services' books again, not only what is new; 0: never."""

    webhook_encryption_secret: Annotated[SecretStr, Field(min_length=32)] | None = None
    """Encrypts the secrets of webhook endpoints at rest; the same for every process of the service. Unset: webhooks are off."""

    webhook_disable_days: Annotated[int, Field(ge=1, le=30)] = 5
    """After so many days without one success an endpoint is disabled."""

    sandbox: bool = False
    """Whether events of the sandbox's customer with duplicate events are posted to webhooks twice. In the development profile only."""

    worker_threads: Annotated[int, Field(ge=1, le=64)] = 4
