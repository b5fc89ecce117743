"""Encrypted channels."""

from datetime import UTC, datetime, timedelta

import grpc
import pytest
from charging.client import Tls, connect, connect_aio
from charging.customer_charge.v1.customer_charge_pb2_grpc import ChargeServiceStub
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.unit.client.conftest import CHARGE, CHARGED
from tests.unit.client.fake_service import FakeService, serving

NAME = "charges.example"


def _self_signed() -> tuple[bytes, bytes]:
    """Return a private key and a certificate for NAME, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private_key = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return private_key, certificate.public_bytes(serialization.Encoding.PEM)


async def test_a_server_is_believed_by_its_root_certificate_only() -> None:
    """Both kinds of channel reach a server whose certificate they were given, and no other."""
    private_key, certificate = _self_signed()
    tls = Tls(root_certificates=certificate, server_name=NAME)
    with serving(FakeService(script=[CHARGED]), grpc.ssl_server_credentials([(private_key, certificate)])) as service:
        with connect(service.address, token="secret", tls=tls) as channel:
            assert ChargeServiceStub(channel).IncreaseCredit(CHARGE) == CHARGED
        async with connect_aio(service.address, token="secret", tls=tls) as aio_channel:
            assert await ChargeServiceStub(aio_channel).IncreaseCredit(CHARGE) == CHARGED
        stranger = Tls(root_certificates=_self_signed()[1], server_name=NAME)
        with connect(service.address, token="secret", tls=stranger, timeout_seconds=0.5) as channel, pytest.raises(grpc.RpcError):
            ChargeServiceStub(channel).IncreaseCredit(CHARGE)
    assert service.tokens == ["Token secret", "Token secret"]
