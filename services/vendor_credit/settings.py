"""Settings of the vendor-credit service."""

from typing import Annotated

from pydantic import AliasChoices, Field

from shared.settings import DatabaseSettings, Port


class VendorCreditSettings(DatabaseSettings):
    """What the vendor-credit server, worker and jobs may be told."""

    database_url: str = Field(validation_alias=AliasChoices("CHARGING_VENDOR_CREDIT_DATABASE_URL", "DATABASE_URL", "database_url"))
    grpc_port: Port = Field(default=50051, validation_alias=AliasChoices("CHARGING_VENDOR_CREDIT_PORT", "grpc_port"))
    grpc_peer_port: Port = Field(default=0, validation_alias=AliasChoices("CHARGING_VENDOR_CREDIT_PEER_PORT", "grpc_peer_port"))
    four_eyes: bool = True
    """Whether the approver of credit must be somebody else than its submitter."""

    second_approval_above: Annotated[int, Field(ge=0)] = 0
    """Amount, in minor units, above which two different operators must approve a credit request; 0: one is always enough."""

    credit_request_expiry_days: Annotated[int, Field(ge=0, le=3650)] = 30
    """Days after which a credit request that nobody has decided expires; 0: never."""

    worker_threads: Annotated[int, Field(ge=1, le=64)] = 2
