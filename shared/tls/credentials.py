"""gRPC credentials of servers and clients, from the files of TLS."""

import grpc

from shared.clock import utc_now
from shared.tls.files import RenewedFiles, TlsContent, TlsFiles


def server_credentials(files: TlsFiles, *, clients_certified: bool) -> grpc.ServerCredentials:
    """Return the credentials of a port; files that are replaced are in force from the next connection on. Raises BadTlsFile.

    With `clients_certified` a connection is made only by who shows a certificate of the authority in `ca_file`; without, none is asked for.
    Python's gRPC knows nothing in between.
    """
    renewed = RenewedFiles(files)

    def configuration(content: TlsContent) -> grpc.ServerCertificateConfiguration:
        roots = content.ca if clients_certified else None
        return grpc.ssl_server_certificate_configuration([(content.key, content.chain)], root_certificates=roots)

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        content = renewed.renewed()
        return None if content is None else configuration(content)

    return grpc.dynamic_ssl_server_credentials(
        configuration(renewed.content),
        fetch,  # type: ignore[arg-type]  # None, for no change, is missing from the type stubs
        require_client_authentication=clients_certified,
    )


def channel_credentials(files: TlsFiles) -> grpc.ChannelCredentials:
    """Return the credentials of a channel: it believes servers of the authority in `ca_file`, and shows its own certificate.

    They are read once: gRPC cannot exchange those of an open channel. Raises BadTlsFile.
    """
    content = files.read(now=utc_now())
    return grpc.ssl_channel_credentials(content.ca, content.key, content.chain)
