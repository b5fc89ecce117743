"""The HTTP door with a certificate of its own."""

import asyncio
import ssl
from pathlib import Path

import pytest
from cryptography import x509

from services.gateway.http import tls
from services.gateway.http.tls import HttpsDoor
from shared.tls.files import TlsFiles
from tests.certificates import Certificates
from tests.unit.gateway_http.test_server import HEALTH, Connection, serving, small_door


def shown_by(connection: asyncio.StreamWriter) -> int:
    """Return the serial number of the certificate that the server showed."""
    return x509.load_der_x509_certificate(connection.get_extra_info("ssl_object").getpeercert(binary_form=True)).serial_number


def serial_of(cert_file: Path) -> int:
    """Return the serial number of the certificate in a file."""
    return x509.load_pem_x509_certificate(cert_file.read_bytes()).serial_number


async def test_a_new_certificate_is_shown_without_a_restart(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections that begin later see it; one that is open goes on."""
    monkeypatch.setattr(tls, "CHECK_SECONDS", 0.01)
    files = certificates.issue("127.0.0.1")
    door = small_door(http_tls_cert_file=files.cert_file, http_tls_key_file=files.key_file)
    async with serving(door) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=certificates.trust)
        first = shown_by(writer)
        certificates.replace(files, "127.0.0.1")
        async with asyncio.timeout(10):
            shown = first
            while shown == first:
                _, other = await asyncio.open_connection("127.0.0.1", server.port, ssl=certificates.trust)
                shown = shown_by(other)
                other.close()
        assert shown == serial_of(files.cert_file)
        writer.write(HEALTH)
        assert (await Connection(reader, writer).response())[0] == 200
        writer.close()


async def test_files_that_do_not_fit_leave_the_old_certificate(certificates: Certificates) -> None:
    """Half a renewal breaks no connection."""
    files = certificates.issue("127.0.0.1")
    before = serial_of(files.cert_file)
    door = HttpsDoor(TlsFiles(files.cert_file, files.key_file))
    files.cert_file.write_bytes(certificates.issue("127.0.0.1").cert_file.read_bytes())

    door.renew()

    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=door.context)
    port = server.sockets[0].getsockname()[1]
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=certificates.trust)
    assert shown_by(writer) == before
    writer.close()
    server.close()


async def test_what_is_not_encrypted_gets_no_answer(certificates: Certificates) -> None:
    """A token sent in the clear by mistake is not rewarded with an answer."""
    async with serving(small_door(**certificates.of_the_door("127.0.0.1"))) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(HEALTH)
        assert b"HTTP" not in await asyncio.wait_for(reader.read(), 10)
        writer.close()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
async def test_old_versions_of_tls_are_refused(certificates: Certificates) -> None:
    """TLS 1.2 is the least."""
    old = certificates.trust
    old.minimum_version, old.maximum_version = ssl.TLSVersion.MINIMUM_SUPPORTED, ssl.TLSVersion.TLSv1_1
    async with serving(small_door(**certificates.of_the_door("127.0.0.1"))) as server:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection("127.0.0.1", server.port, ssl=old)


async def test_a_handshake_that_does_not_come_ends(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who connects and says nothing is dropped."""
    monkeypatch.setattr(tls, "HANDSHAKE_SECONDS_MAX", 0.2)
    async with serving(small_door(**certificates.of_the_door("127.0.0.1"))) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        assert await Connection(reader, writer).ended()
        writer.close()
