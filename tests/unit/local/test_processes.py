"""Which processes run, and what supervisord is told about them."""

from configparser import RawConfigParser
from pathlib import Path

from shared.local.processes import PROGRAMS, instances_of
from shared.local.supervision import SOCKET_PATH_MAX, Supervision

ENVIRONMENT = {
    "DATABASE_URL": "postgresql://admin",
    "CHARGING_GATEWAY_DATABASE_URL": "postgresql://gateway",
    "CHARGING_VENDOR_CREDIT_DATABASE_URL": "postgresql://vendor_credit",
    "CHARGING_CUSTOMER_CHARGE_DATABASE_URL": "postgresql://customer_charge",
    "CHARGING_DRAIN_SECONDS": "3",
}


def config_of(folder: Path, counts: dict[str, int]) -> RawConfigParser:
    """Return the configuration that supervisord would read."""
    supervision = Supervision(folder, instances_of(PROGRAMS, counts), ENVIRONMENT, password="pass%word", first_metrics_port=9100)
    parser = RawConfigParser()
    parser.read_string(supervision.config())
    return parser


def test_counts_multiply_servers_and_workers_but_not_the_scheduler() -> None:
    """A count of its own beats the common one."""
    names = [one.name for one in instances_of(PROGRAMS, {"CHARGING_PROCESSES": 2, "CHARGING_GATEWAY_PROCESSES": 3})]

    assert names.count("scheduler") == 1
    assert [name for name in names if name.startswith("gateway")] == ["gateway", "gateway-2", "gateway-3"]
    assert "customer_charge.worker-2" in names


def test_each_process_gets_its_own_database_only() -> None:
    """The administrator's address and the other services' are taken out of its environment, and no secret is in the file."""
    parser = config_of(Path("/state"), {})

    command = parser["program:gateway"]["command"].split()

    assert {word for word in command if word.startswith("--unset=")} == {
        "--unset=DATABASE_URL",
        "--unset=CHARGING_CUSTOMER_CHARGE_DATABASE_URL",
        "--unset=CHARGING_VENDOR_CREDIT_DATABASE_URL",
    }
    assert "--unset=DATABASE_URL" in parser["program:scheduler"]["command"].split()
    assert "CHARGING_PEER_NAME=scheduler" in parser["program:scheduler"]["command"].split()
    assert "postgresql://" not in "".join(value for section in parser.values() for value in section.values())


def test_every_process_has_a_metrics_port_of_its_own() -> None:
    """Several processes of one program too."""
    parser = config_of(Path("/state"), {"CHARGING_PROCESSES": 2})
    programs = [parser[name]["command"] for name in parser.sections() if name.startswith("program:")]

    ports = [word for command in programs for word in command.split() if word.startswith("CHARGING_METRICS_PORT=")]

    assert len(ports) == len(set(ports)) == len(programs)


def test_the_door_is_stopped_first_and_the_vendor_ledger_last() -> None:
    """Groups are stopped from the highest priority down."""
    parser = config_of(Path("/state"), {})
    groups = sorted((name for name in parser.sections() if name.startswith("group:")), key=lambda name: -int(parser[name]["priority"]))

    order = [set(parser[name]["programs"].split(",")) for name in groups]

    assert order == [
        {"gateway", "scheduler"},
        {"vendor_credit.worker", "customer_charge", "customer_charge.worker"},
        {"vendor_credit"},
    ]


def test_a_long_path_is_controlled_over_loopback_with_a_password() -> None:
    """A socket's path has an end; the percent sign of the password is no expansion."""
    parser = config_of(Path("/" + "x" * SOCKET_PATH_MAX), {})

    assert parser["inet_http_server"]["port"].startswith("127.0.0.1:")
    assert parser["inet_http_server"]["password"] == "pass%%word"
    assert "unix_http_server" not in parser
