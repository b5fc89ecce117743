"""The manifests for Kubernetes: valid by their schemas, true to the settings and ports of the programs, and strict."""

import importlib.util
import json
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from services.customer_charge.settings import CustomerChargeSettings
from services.gateway.settings import GatewaySettings
from services.vendor_credit.settings import VendorCreditSettings
from shared.settings import CommonSettings
from tests.unit.test_env_sample import names_of

FOLDER = Path(__file__).parents[2] / "deploy" / "kubernetes"
VERSIONS = ("1.30", "1.34")
"""The oldest and a recent one of those that clusters run."""

SETTINGS: dict[str, type[CommonSettings]] = {
    "gateway": GatewaySettings,
    "vendor-credit": VendorCreditSettings,
    "vendor-credit-worker": VendorCreditSettings,
    "customer-charge": CustomerChargeSettings,
    "customer-charge-worker": CustomerChargeSettings,
    "scheduler": CustomerChargeSettings,
}
SERVED = {
    "gateway": {"http": "http_port", "grpc": "grpc_port"},
    "vendor-credit": {"grpc": "grpc_port"},
    "customer-charge": {"grpc": "grpc_port"},
}
OTHERS = {"CHARGING_SECRETS_DIR", "OTEL_EXPORTER_OTLP_ENDPOINT"}
"""Read before settings are, or not by us."""

PRE_STOP_SECONDS, DRAIN_SECONDS = 5, 10


@cache
def base() -> tuple[dict[str, Any], ...]:
    """Return every object of the base."""
    listed = yaml.safe_load((FOLDER / "base" / "kustomization.yaml").read_text())["resources"]
    return tuple(each for file in listed for each in yaml.safe_load_all((FOLDER / "base" / file).read_text()))


@cache
def rendered(overlay: str) -> tuple[dict[str, Any], ...]:
    """Return every object of an overlay, rendered by kubectl; skip without it."""
    program = shutil.which("kubectl") or shutil.which("kustomize")
    if program is None:
        pytest.skip("neither kubectl nor kustomize is here")
    command = [program, "kustomize" if program.endswith("kubectl") else "build", str(FOLDER / "overlays" / overlay)]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own manifests
    assert outcome.returncode == 0, outcome.stderr
    return tuple(yaml.safe_load_all(outcome.stdout))


def of(kind: str, objects: tuple[dict[str, Any], ...] | None = None) -> Iterator[dict[str, Any]]:
    """Yield the objects of a kind."""
    return (each for each in objects or base() if each["kind"] == kind)


def named(kind: str, objects: tuple[dict[str, Any], ...] | None = None) -> dict[str, dict[str, Any]]:
    """Return the objects of a kind by name."""
    return {each["metadata"]["name"]: each for each in of(kind, objects)}


def pods(objects: tuple[dict[str, Any], ...] | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name and the pod's specification of every workload."""
    for kind in ("Deployment", "Job"):
        yield from ((name, each["spec"]["template"]["spec"]) for name, each in named(kind, objects).items())


@pytest.mark.parametrize("version", VERSIONS)
def test_the_base_fits_the_schemas(version: str) -> None:
    """Every object, without a field that its schema does not know."""
    for each in base():
        kubernetes_validate.validate(each, version, strict=True)


@pytest.mark.parametrize("overlay", ["production", "trial"])
def test_overlays_render_to_valid_objects(overlay: str) -> None:
    """What is applied in the end."""
    for each in rendered(overlay):
        kubernetes_validate.validate(each, VERSIONS[0], strict=True)


def test_every_resource_file_is_listed() -> None:
    """A file that nobody names would never be applied."""
    listed = set(yaml.safe_load((FOLDER / "base" / "kustomization.yaml").read_text())["resources"])
    assert listed == {file.name for file in (FOLDER / "base").glob("*.yaml")} - {"kustomization.yaml"}


@pytest.mark.parametrize("overlay", ["base", "production"])
def test_every_setting_exists(overlay: str) -> None:
    """A name that no program reads would be a wish."""
    objects = base() if overlay == "base" else rendered(overlay)
    common = set(named("ConfigMap", objects)["charging"]["data"])
    for name, kind in SETTINGS.items():
        own = {each["name"] for each in named("Deployment", objects)[name]["spec"]["template"]["spec"]["containers"][0].get("env", ())}
        assert own <= names_of(kind)
    assert common - OTHERS <= set().union(*map(names_of, SETTINGS.values()))


def test_every_setting_is_readable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each program starts from the values as they stand there."""
    for name, value in named("ConfigMap")["charging"]["data"].items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CHARGING_SECRETS_DIR", str(tmp_path))
    made = [kind(database_url="postgresql://", **more) for kind, more in _loaded()]
    assert {each.drain_seconds for each in made} == {DRAIN_SECONDS}
    assert {each.metrics_port for each in made} == {9100}
    assert all(each.vendor_credit_address.startswith("dns:///vendor-credit:") for each in made)


def _loaded() -> list[tuple[Any, dict[str, Any]]]:
    return [(GatewaySettings, {"key_encryption_secret": "k" * 32}), (VendorCreditSettings, {}), (CustomerChargeSettings, {})]


def test_every_port_is_one_that_is_served() -> None:
    """In containers, probes, services, addresses and policies alike."""
    deployments, services = named("Deployment"), named("Service")
    ports: dict[str, dict[str, int]] = {}
    for name, each in deployments.items():
        container = each["spec"]["template"]["spec"]["containers"][0]
        ports[name] = {port["name"]: port["containerPort"] for port in container["ports"]}
        served = {port: SETTINGS[name].model_fields[field].default for port, field in SERVED.get(name, {}).items()}
        assert ports[name] == served | {"metrics": 9100}
        for probe in ("readinessProbe", "livenessProbe"):
            asked = container.get(probe, {})
            assert asked.get("grpc", {}).get("port", ports[name].get("grpc")) == ports[name].get("grpc")
            assert asked.get("httpGet", {}).get("port", "http") == "http"
    for service in services.values():
        target = service["spec"]["selector"]["app.kubernetes.io/name"]
        for port in service["spec"]["ports"]:
            assert ports[target][port["targetPort"]] == port["port"]
    config = named("ConfigMap")["charging"]["data"]
    for setting in ("IDENTITY", "VENDOR_CREDIT", "CUSTOMER_CHARGE"):
        host, _, port = config[f"CHARGING_{setting}_ADDRESS"].removeprefix("dns:///").partition(":")
        assert services[host]["spec"]["clusterIP"] == "None", "clients go round the addresses of a headless service"
        assert [each["port"] for each in services[host]["spec"]["ports"]] == [int(port)]
    for policy in of("NetworkPolicy"):
        target = policy["spec"]["podSelector"]["matchLabels"].get("app.kubernetes.io/name")
        for rule in policy["spec"].get("ingress", ()):
            assert {port["port"] for port in rule["ports"]} <= set(ports.get(target, {"": 9100}).values())


def test_every_program_exists() -> None:
    """A command that is no module would only show in the cluster."""
    for name, pod in pods():
        command = pod["containers"][0]["command"]
        assert command[:2] == ["python", "-m"]
        assert importlib.util.find_spec(command[2]) is not None, name
    assert set(named("Deployment")) == set(SETTINGS)


@pytest.mark.parametrize("overlay", ["base", "production", "trial"])
def test_no_pod_may_more_than_it_needs(overlay: str) -> None:
    """Not root, nothing writable but memory, no capability, no access to the cluster, and a limit on memory."""
    for name, pod in pods(base() if overlay == "base" else rendered(overlay)):
        container = pod["containers"][0]
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["runAsUser"] == 10001
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert all(mount.get("readOnly") or mount["mountPath"] == "/tmp" for mount in container["volumeMounts"])  # noqa: S108 - the pod's own
        assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize("overlay", ["base", "production", "trial"])
def test_secrets_are_references_only(overlay: str) -> None:
    """No Secret is written down here, and no process sees another's: each mounts its own."""
    objects = base() if overlay == "base" else rendered(overlay)
    assert list(of("Secret", objects)) == []
    for name, pod in pods(objects):
        owner = "setup" if name == "migrate" else name.removesuffix("-worker")
        mounted = [volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume]
        assert mounted
        assert all(secret.startswith(f"charging-{owner}") for secret in mounted), name


def test_whoever_leaves_has_the_time_to() -> None:
    """Others stop sending first, then the calls in flight end, and only then is it killed."""
    for name, each in named("Deployment").items():
        pod = each["spec"]["template"]["spec"]
        assert pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", str(PRE_STOP_SECONDS)], name
        assert pod["terminationGracePeriodSeconds"] >= PRE_STOP_SECONDS + DRAIN_SECONDS + 10
        assert each["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_what_points_at_a_workload_finds_it() -> None:
    """Budgets, scalers, services and policies."""
    deployments = named("Deployment")
    for each in of("HorizontalPodAutoscaler"):
        assert each["spec"]["scaleTargetRef"]["name"] in deployments
    for name, budget in named("PodDisruptionBudget").items():
        assert budget["spec"]["selector"]["matchLabels"] == deployments[name]["spec"]["selector"]["matchLabels"]
    assert {name for name, each in deployments.items() if each["spec"]["replicas"] > 1} == set(named("PodDisruptionBudget"))
    known = {*deployments, "migrate"}
    text = json.dumps(list(of("NetworkPolicy")))
    selected = {part.split('"')[2] for part in text.split("app.kubernetes.io/name")[1:]}
    assert selected <= known
    for name, each in deployments.items():
        assert each["spec"]["template"]["metadata"]["labels"] == {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "charging"}


def test_with_tls_every_process_has_a_certificate() -> None:
    """One volume each, its own, and health is asked for by who has a certificate."""
    for name, pod in pods(rendered("production")):
        if name == "migrate":
            continue
        volumes = [volume["secret"]["secretName"] for volume in pod["volumes"] if volume["name"] == "tls"]
        assert volumes == [f"charging-{name.removesuffix('-worker')}-tls"]
        assert "grpc" not in pod["containers"][0].get("readinessProbe", {})


class _ComposeLoader(yaml.SafeLoader):
    """Reads Compose's own tag for a list that takes the place of another."""


_ComposeLoader.add_constructor("!override", lambda loader, node: loader.construct_sequence(node))


def test_the_compose_set_with_two_of_each_names_what_exists() -> None:
    """Every process that runs for good is there twice, on addresses that are gone round and ports that differ."""
    root = FOLDER.parents[1]
    base_set = yaml.safe_load((root / "docker-compose.yml").read_text())["services"]
    twice = yaml.load((root / "docker-compose.replicas.yml").read_text(), Loader=_ComposeLoader)["services"]  # noqa: S506 - a safe loader
    programs = {name for name, each in base_set.items() if "services." in str(each.get("command")) and "profiles" not in each}
    assert {name for name, each in twice.items() if each.get("deploy") == {"replicas": 2}} == programs
    for name, each in twice.items():
        settings = {**base_set[name]["environment"], **each["environment"]}
        assert set(each["environment"]) <= set(base_set[name]["environment"]) | {"CHARGING_CONNECTION_AGE_SECONDS"}
        for peer, address in each["environment"].items():
            if peer.endswith("_ADDRESS"):
                assert address == f"dns:///{base_set[name]['environment'][peer]}"
        assert settings["CHARGING_CONNECTION_AGE_SECONDS"] <= 60
        inner = [port.rpartition(":")[2] for port in each.get("ports", ())]
        assert inner == [port.rpartition(":")[2] for port in base_set[name].get("ports", ()) if "ports" in each]
        assert all(len(range(*map(int, port.split(":")[1].split("-")))) == 1 for port in each.get("ports", ()))
