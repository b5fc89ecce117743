"""Who may import whom, and what happens when a module is imported: the direction of the house, read from the source itself."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICES = ("vendor_credit", "customer_charge", "gateway")
COMPOSITION_ROOT = "services.scheduler"
"""The one place that knows several services: it runs their own operations in one process."""

NOT_IN_DOMAIN = {"grpc", "psycopg", "redis", "google", "charging", "starlette", "dramatiq", "asyncio"}
STORAGE = ("services/vendor_credit/storage/", "services/customer_charge/storage/", "services/gateway/storage/")
SHARED_STORAGE = ("shared/audit_log/storage.py",)
"""Of the tables that every schema has."""

DATABASE_TOOLS = ("shared/database", "shared/commit_doubt", "shared/local/")
"""Set-up, migrations and checks of the server itself, which know no table of a service."""

STATEMENTS = ("SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM ", "WITH ")
LAYERS = ("domain", "storage", "operations", "handlers")
ALLOWED_LAYERS = {
    "domain": {"domain"},
    "storage": {"domain", "storage"},
    "operations": {"domain", "storage", "operations"},
    "handlers": {"domain", "storage", "operations", "handlers"},
}


@cache
def sources() -> dict[str, ast.Module]:
    """Return every module of ours by path, parsed."""
    paths = [path for folder in ("services", "shared") for path in sorted((ROOT / folder).rglob("*.py"))]
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text()) for path in paths if "shared/stubs" not in str(path)}


def imports_of(tree: ast.Module) -> Iterator[str]:
    """Yield the modules that a module imports, inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute, so that the direction can be read"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def service_of(path: str) -> str:
    """Return the service that a path belongs to, empty for none."""
    parts = path.split("/")
    return parts[1] if parts[0] == "services" and len(parts) > 2 else ""


def layer_of(name: str) -> str:
    """Return the layer of a service's module name, empty for the modules that compose."""
    parts = name.split(".")
    return parts[2] if len(parts) > 2 and parts[2] in LAYERS else ""


def test_services_do_not_import_each_other() -> None:
    """A service knows the others by their contract; the scheduler alone composes several."""
    wrong = [
        f"{path} imports {name}"
        for path, tree in sources().items()
        for name in imports_of(tree)
        if name.startswith("services.") and service_of(path) in SERVICES and name.split(".")[1] != service_of(path)
    ]
    assert wrong == []


def test_nothing_imports_the_composition_root() -> None:
    """What composes is at the top."""
    wrong = [
        path
        for path, tree in sources().items()
        if not path.startswith("services/scheduler/") and any(name.startswith(COMPOSITION_ROOT) for name in imports_of(tree))
    ]
    assert wrong == []


def test_shared_imports_no_service() -> None:
    """What all use knows none of its users."""
    wrong = [
        f"{path} imports {name}"
        for path, tree in sources().items()
        if path.startswith("shared/")
        for name in imports_of(tree)
        if name.startswith("services")
    ]
    assert wrong == []


def test_the_domain_is_pure() -> None:
    """Rules import no wire, no database and no event loop, so they can be tested with nothing but values."""
    wrong = [
        f"{path} imports {name}"
        for path, tree in sources().items()
        if "/domain/" in path
        for name in imports_of(tree)
        if name.split(".")[0] in NOT_IN_DOMAIN or name.startswith("shared.database")
    ]
    assert wrong == []


def test_layers_import_downwards() -> None:
    """Handlers call operations, operations call domain and storage, and nothing looks up."""
    wrong = [
        f"{path} imports {name}"
        for path, tree in sources().items()
        if (layer := layer_of(path.removesuffix(".py").replace("/", ".")))
        for name in imports_of(tree)
        if name.startswith("services.") and layer_of(name) and layer_of(name) not in ALLOWED_LAYERS[layer]
    ]
    assert wrong == []


def texts_of(tree: ast.Module) -> Iterator[str]:
    """Yield the string literals of a module."""
    yield from (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))


def test_sql_is_in_storage_alone() -> None:
    """Whoever wants to know what is asked of the tables reads one folder per service."""
    wrong = [
        f"{path}: {text.split()[0]}"
        for path, tree in sources().items()
        if not path.startswith((*STORAGE, *SHARED_STORAGE, *DATABASE_TOOLS))
        for text in texts_of(tree)
        if text.lstrip().startswith(STATEMENTS) and text.lstrip() != "WITH "
    ]
    assert wrong == []


LISTENER = """
import importlib, sys
doors = ("socket.connect", "socket.bind", "subprocess.Popen", "os.mkdir", "os.remove", "os.rename", "os.system", "shutil.rmtree")
def listen(event, args):
    if event in doors:
        raise SystemExit(f"import did {event} {args}")
    if event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+") and not str(args[0]).endswith(".pyc"):
        raise SystemExit(f"import opened {args[0]} for writing")
sys.dont_write_bytecode = True
sys.addaudithook(listen)
for name in sys.argv[1:]:
    importlib.import_module(name)
    import threading
    if threading.active_count() != 1:
        raise SystemExit(f"{name} started a thread")
"""


@pytest.mark.parametrize("folder", ["services", "shared"])
def test_importing_does_nothing(folder: str) -> None:
    """No module connects, listens, starts a program or thread, or writes a file when it is imported."""
    modules = [path.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for path in sources() if path.startswith(f"{folder}/")]
    command = [sys.executable, "-c", LISTENER, *modules]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - our own script
    assert done.returncode == 0, done.stderr
