"""Settings of the vendor-credit service."""

from typing import Annotated

from pydantic import AliasChoices, Field

from shared.settings import DatabaseSettings, Port


class VendorCreditSettings(DatabaseSettings):
    """What the vendor-credit server, worker and jobs may be told."""

    database_url: str = Field(validation_alias=AliasChoices("CHARGING_VENDOR_CREDIT_DATABASE_URL", "DATABASE_URL", "database_url"))
    database_schema: str = "vendor_credit"
    grpc_port: Port = Field(default=50051, validation_alias=AliasChoices("CHARGING_VENDOR_CREDIT_PORT", "grpc_port"))
    four_eyes: bool = True
    """Whether the approver of credit must be somebody else than its submitter."""

    worker_threads: Annotated[int, Field(ge=1, le=64)] = 2
