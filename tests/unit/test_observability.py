"""The alerts and their pages hang together; whether their metrics exist is asked in tests/contract/test_metrics.py."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "observability"
PAGES = ROOT / "docs" / "operations"
SEVERITIES = {"page", "ticket"}


def rules() -> list[dict[str, Any]]:
    """Return every alert."""
    return [rule for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"] for rule in group["rules"]]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_every_alert_has_its_page(rule: dict[str, Any]) -> None:
    """Whoever is woken is told what it means, where to look and what to do, and finds it in the list."""
    name = re.sub(r"(?<!^)(?=[A-Z])", "-", rule["alert"]).lower()
    assert rule["annotations"]["runbook"] == f"docs/operations/{name}.md"
    assert rule["labels"]["severity"] in SEVERITIES
    page = (PAGES / f"{name}.md").read_text()
    assert page.startswith(f"# {rule['alert']}\n")
    for part in ("**Callers see:**", "## Look", "## Do"):
        assert part in page
    assert f"| [{rule['alert']}]({name}.md) | {rule['labels']['severity']} |" in (PAGES / "README.md").read_text()


def test_there_is_no_page_without_an_alert() -> None:
    """A page of an alert that is gone misleads."""
    named = {Path(rule["annotations"]["runbook"]).name for rule in rules()}
    assert {page.name for page in PAGES.glob("*.md") if "**Callers see:**" in page.read_text()} == named


def test_links_between_pages_lead_somewhere() -> None:
    """At three in the morning least of all should one lead nowhere."""
    for page in PAGES.glob("*.md"):
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (PAGES / target).resolve().is_file(), f"{page.name}: {target}"


def test_every_alert_is_tested_both_ways() -> None:
    """It fires in one case at least, and is silent on a system that is well."""
    checks = [check for case in yaml.safe_load((FOLDER / "alerts_test.yml").read_text())["tests"] for check in case["alert_rule_test"]]
    names = {rule["alert"] for rule in rules()}
    assert {check["alertname"] for check in checks if check["exp_alerts"]} == names
    assert {check["alertname"] for check in checks if not check["exp_alerts"]} == names


@pytest.mark.parametrize(
    "arguments",
    [("check", "rules", "alerts.yml"), ("test", "rules", "alerts_test.yml"), ("check", "config", "prometheus.yml")],
    ids=" ".join,
)
def test_promtool_agrees(arguments: tuple[str, ...]) -> None:
    """The rules are Prometheus's own language, and do what their tests say."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not here")
    outcome = subprocess.run([program, *arguments], cwd=FOLDER, capture_output=True, text=True, check=False)  # noqa: S603 - our own rules
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def test_the_scrape_configurations_name_every_process() -> None:
    """A process that nobody scrapes would never be missed."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    programs = {
        name
        for name, each in compose.items()
        if str(each.get("command", ["", "", ""])[2:3]).startswith("['services.") and "profiles" not in each
    }
    jobs = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"]
    assert {job["dns_sd_configs"][0]["names"][0] for job in jobs} == programs
    assert {f"charging-{name.replace('_', '-')}" for name in programs} == {job["job_name"] for job in jobs}
    (kubernetes,) = yaml.safe_load((FOLDER / "prometheus-kubernetes.yml").read_text())["scrape_configs"]
    assert kubernetes["relabel_configs"][-2]["target_label"] == "job"
