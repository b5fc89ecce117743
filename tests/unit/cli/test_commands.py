"""The command line itself: options, help, credentials, completion."""

import ast
import json
from pathlib import Path

import click
import pytest
from charging_cli.credentials import credentials_path, forget_token, save_token, saved_token
from charging_cli.main import cli
from charging_cli.output import table
from charging_cli.session import local_stack_url
from click.testing import CliRunner

SOURCES = Path(__file__).parents[3] / "cli" / "charging_cli"


@pytest.fixture(autouse=True)
def _own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARGING_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("CHARGING_STATE_DIR", str(tmp_path / "state"))
    for name in ("CHARGING_HTTP_URL", "CHARGING_TOKEN"):
        monkeypatch.delenv(name, raising=False)


def commands(group: click.Group, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Return the path of every command."""
    found = []
    for name, command in group.commands.items():
        found += commands(command, (*path, name)) if isinstance(command, click.Group) else [(*path, name)]
    return found


@pytest.mark.parametrize("path", commands(cli), ids=" ".join)
def test_every_command_has_help_and_the_common_options(path: tuple[str, ...]) -> None:
    """Whoever types --help learns enough."""
    outcome = CliRunner().invoke(cli, [*path, "--help"])
    assert outcome.exit_code == 0
    assert all(option in outcome.output for option in ("--json", "--url", "--token"))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed_for_the_usual_shells(shell: str) -> None:
    """It knows the name of the command."""
    outcome = CliRunner().invoke(cli, ["completion", shell])
    assert outcome.exit_code == 0, outcome.output
    assert "_CHARGING_COMPLETE" in outcome.output


def test_completion_offers_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    """As bash asks for it."""
    monkeypatch.setenv("_CHARGING_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "charging ven")
    monkeypatch.setenv("COMP_CWORD", "1")
    outcome = CliRunner().invoke(cli, prog_name="charging")
    assert outcome.output.split() == ["plain,vendor"]


def test_tokens_are_kept_by_address_for_their_owner_only() -> None:
    """Nobody else on the machine can read them."""
    save_token("http://a", "one")
    save_token("http://b", "two")
    assert (saved_token("http://a"), saved_token("http://b"), saved_token("http://c")) == ("one", "two", "")
    assert credentials_path().stat().st_mode & 0o077 == 0
    forget_token("http://a")
    assert (saved_token("http://a"), saved_token("http://b")) == ("", "two")


def test_the_local_stack_is_found_by_its_file(tmp_path: Path) -> None:
    """Quoted or not."""
    assert local_stack_url() == ""
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "env").write_text("DATABASE_URL=x\nCHARGING_HTTP_URL='http://127.0.0.1:8123'\n")
    assert local_stack_url() == "http://127.0.0.1:8123"


def test_failures_are_json_where_json_was_asked_for() -> None:
    """After the command's name as well as before it."""
    for arguments in (["--json", "books"], ["books", "--json"]):
        outcome = CliRunner().invoke(cli, [*arguments, "--url", "http://127.0.0.1:9"])
        assert outcome.exit_code == 3
        assert json.loads(outcome.stderr)["exit_status"] == 3


def test_a_wrong_address_is_wrong_usage() -> None:
    """Before anything is sent."""
    outcome = CliRunner().invoke(cli, ["books", "--url", "ftp://there"])
    assert outcome.exit_code == 2
    assert "ftp://there" in outcome.stderr


def test_columns_are_aligned_and_terminals_are_not_obeyed() -> None:
    """A vendor's name may hold anything."""
    assert table([[1, "a\x1b[2Jb"], [100, None]], ["id", "name"]) == " id  name\n  1  a?[2Jb\n100"


def test_the_command_needs_nothing_of_the_services() -> None:
    """It is installed alone: click and httpx are all it may import."""
    allowed = {"charging_cli", "click", "httpx"}
    wrong = []
    for path in sorted(SOURCES.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            wrong += [
                f"{path.name}: {name}"
                for name in names
                if name.split(".")[0] in {"services", "shared", "charging", "grpc", "google"} - allowed
            ]
    assert wrong == []
