"""charging.identity.v1.KeyService."""

from pathlib import Path
from typing import Any

import grpc.aio
from charging.identity.v1 import keys_pb2, keys_pb2_grpc

from shared.documents.keys import document_keys, encode_key, key_id

Context = grpc.aio.ServicerContext[Any, Any]


class KeyService(keys_pb2_grpc.KeyServiceServicer):
    """Public keys for everybody. They are read once: a key that is replaced is known after a restart, as in every process."""

    def __init__(self, keys_dir: Path) -> None:
        """Raise OSError or ValueError where a key of a service that signs cannot be read."""
        self._response = keys_pb2.ListDocumentKeysResponse(
            keys=[
                keys_pb2.DocumentKey(
                    kid=key_id(public_key), kty="OKP", crv="Ed25519", x=encode_key(public_key), use="sig", alg="EdDSA", issuer=issuer
                )
                for issuer, public_key in document_keys(keys_dir)
            ]
        )

    async def ListDocumentKeys(self, request: keys_pb2.ListDocumentKeysRequest, context: Context) -> keys_pb2.ListDocumentKeysResponse:
        """List the keys."""
        return self._response
