"""Key pairs of this system's own processes: each signs its calls, and everybody verifies them with the public halves.

Run as `python -m shared.peer_keys DIRECTORY` to write what is missing. `<peer>.private.pem` is PKCS #8, readable by its owner only;
`<peer>.public.pem` is SubjectPublicKeyInfo. Deleting both halves of a pair and running again rotates it. A service that signs documents
keeps the public half as `<peer>.<anything>.retired.pem`: see shared/documents/keys.py.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat, load_pem_private_key

PEERS = ("gateway", "vendor_credit", "customer_charge", "scheduler", "operator_console")


def write_peer_keys(directory: Path, names: Sequence[str] = PEERS) -> list[str]:
    """Write the Ed25519 key pairs that `directory` lacks; return the names of the peers that got a new one.

    A private key that exists is never replaced; its public half is written again when it is missing. Several may run at a time.
    """
    directory.mkdir(parents=True, exist_ok=True)
    fresh = [name for name in names if _write_private_key(directory / f"{name}.private.pem")]
    for name in names:
        public = directory / f"{name}.public.pem"
        if name in fresh or not public.exists():
            key = load_pem_private_key((directory / f"{name}.private.pem").read_bytes(), password=None)
            write_whole(public, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), mode=0o644)
    return fresh


def _write_private_key(path: Path) -> bool:
    if path.exists():
        return False
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    draft = _draft(path, pem, mode=0o600)
    try:
        # Unlike a rename, a link fails when somebody else was faster: their key stands.
        path.hardlink_to(draft)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True


def write_whole(path: Path, content: bytes, mode: int) -> None:
    """Write the file in one step, so that no reader sees half of it."""
    _draft(path, content, mode).replace(path)


def _draft(path: Path, content: bytes, mode: int) -> Path:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    draft.touch(mode=mode)
    draft.write_bytes(content)
    return draft


def main() -> int:
    """Write the key pairs missing in the directory given on the command line."""
    if len(sys.argv) != 2:  # noqa: PLR2004 - the program and its one argument
        print("usage: python -m shared.peer_keys DIRECTORY", file=sys.stderr)
        return 2
    fresh = write_peer_keys(Path(sys.argv[1]))
    print(f"new keys: {', '.join(fresh) or 'none were missing'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
