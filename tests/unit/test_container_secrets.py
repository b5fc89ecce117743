"""The secrets of the containers."""

import re
import stat
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from shared.auth.peer_tokens import PeerTokenSource, PeerTokenVerifier, load_public_keys
from shared.clock import utc_now
from shared.container_secrets import FOLDERS, PEERS, write_secrets
from shared.tls.files import TlsFiles

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give a directory with the empty folders that the volumes are."""
    for folder in FOLDERS:
        (tmp_path / folder).mkdir()
    return tmp_path


def contents(root: Path) -> dict[str, str]:
    """Return every file below the root with its text."""
    return {str(file.relative_to(root)): file.read_text() for file in root.rglob("*") if file.is_file()}


def test_running_again_changes_nothing(root: Path) -> None:
    """An upgrade or a restart of the machine keeps passwords and keys."""
    write_secrets(root)
    first = contents(root)

    write_secrets(root)

    assert contents(root) == first


def test_a_run_that_was_cut_short_is_completed(root: Path) -> None:
    """Whatever file is missing comes back, and fits the others."""
    write_secrets(root)
    first = contents(root)
    for name in ("vendor_credit/REDIS_URL", "postgres/POSTGRES_PASSWORD", "gateway/keys/scheduler.public.pem"):
        (root / name).unlink()

    write_secrets(root)

    assert contents(root) == first


def test_each_service_gets_its_own_database_role_only(root: Path) -> None:
    """Who breaks into one service reaches one schema."""
    write_secrets(root)

    for service in ("vendor_credit", "customer_charge", "gateway"):
        urls = {file.name: file.read_text() for file in (root / service).glob("*DATABASE_URL")}
        assert urls.keys() == {f"CHARGING_{service.upper()}_DATABASE_URL"}
        login = conninfo_to_dict(next(iter(urls.values())))
        assert login["user"] == f"charging_{service}"
        assert login["password"] == (root / "setup" / f"CHARGING_{service.upper()}_DB_PASSWORD").read_text()


def test_each_peer_signs_for_itself_and_is_believed_by_all(root: Path) -> None:
    """A private key is in one folder; the public ones are in every one."""
    write_secrets(root)

    for peer in PEERS:
        keys = root / peer / "keys"
        assert [file.name for file in keys.glob("*.private.pem")] == [f"{peer}.private.pem"]
        token = PeerTokenSource(keys, peer).token("vendor_credit")
        for other in PEERS:
            verifier = PeerTokenVerifier(load_public_keys(root / other / "keys"), audience="vendor_credit")
            assert verifier.verify(token, f"peer:{peer}").subject == f"peer:{peer}"


def test_secrets_are_for_their_owner_only(root: Path) -> None:
    """Only the engines' passwords and public keys are readable by other users of the volume."""
    write_secrets(root)

    readable = {name for name in contents(root) if stat.S_IMODE((root / name).stat().st_mode) != stat.S_IRUSR | stat.S_IWUSR}

    public = (".public.pem", "/tls/cert.pem", "/tls/ca.pem")
    assert {name for name in readable if not name.endswith(public)} == {"postgres/POSTGRES_PASSWORD", "redis/redis.conf"}


def test_each_peer_has_a_certificate_of_its_own_by_one_authority(root: Path) -> None:
    """It is good for the container's name, and the authority's key is where no service looks."""
    write_secrets(root)

    for peer in PEERS:
        files = TlsFiles(root / peer / "tls" / "cert.pem", root / peer / "tls" / "key.pem", root / peer / "tls" / "ca.pem")
        assert files.read(now=utc_now()).ca == (root / "setup" / "tls" / "ca.pem").read_bytes()
        assert files.server_names()[0] == peer
    assert [name for name in contents(root) if name.endswith("ca.key.pem")] == ["setup/tls/ca.key.pem"]


def test_the_compose_files_turn_tls_on_with_those_certificates() -> None:
    """Every process of the set, and the audit, gets the settings; each service has a port for peers that the others know."""
    with_tls = (REPOSITORY / "docker-compose.tls.yml").read_text()
    processes = re.findall(r"command: \[python, -m, (?:services\.[a-z_.]+)\]", (REPOSITORY / "docker-compose.yml").read_text())
    assert len(re.findall(r"environment:\s+(?:<<: )?\*tls", with_tls)) == len(processes)
    for host in ("gateway", "vendor_credit", "customer_charge"):
        name = "IDENTITY" if host == "gateway" else host.upper()
        port = re.search(rf"CHARGING_{name}_PEER_PORT: (\d+)", with_tls)
        assert port is not None
        assert f"CHARGING_{name}_ADDRESS: {host}:{port[1]}" in with_tls


def test_the_image_and_the_compose_file_know_every_folder() -> None:
    """A volume whose folder the image lacks would belong to root, and stay empty."""
    made = re.search(r"for folder in ([a-z_ ]+);", (REPOSITORY / "Dockerfile").read_text())
    mounted = re.findall(r"- ([a-z_]+)_secrets:/secrets/([a-z_]+)$", (REPOSITORY / "docker-compose.yml").read_text(), flags=re.MULTILINE)

    assert made is not None
    assert set(made[1].split()) == set(FOLDERS)
    assert mounted == [(folder, folder) for folder in FOLDERS]
