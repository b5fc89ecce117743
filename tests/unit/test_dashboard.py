"""The dashboard is one that Grafana reads whole; whether its metrics exist is asked in tests/contract/test_metrics.py."""

import copy
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.grafana_types import findings

ROOT = Path(__file__).parents[2]
DASHBOARD = ROOT / "deploy" / "observability" / "dashboard.json"
Document = dict[str, Any]


def document() -> Document:
    """Return the dashboard."""
    read: Document = json.loads(DASHBOARD.read_text())
    return read


def queries() -> list[str]:
    """Return the query of every target of every panel."""
    return [target["expr"] for panel in document()["panels"] for target in panel.get("targets", ())]


def first(among: Document, kind: str) -> Any:
    """Return the first panel of a kind."""
    return next(panel for panel in among["panels"] if panel["type"] == kind)


def change(kind: str, path: Sequence[str | int], value: object) -> Callable[[Document], None]:
    """Return what sets a value below the first panel of a kind, or of the dashboard itself when the kind is empty."""

    def apply(among: Document) -> None:
        place = first(among, kind) if kind else among
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return apply


def test_the_dashboard_is_what_its_script_writes() -> None:
    """People change the script."""
    command = [sys.executable, "-c", "import runpy; print(runpy.run_path('scripts/grafana_dashboard.py')['text'](), end='')"]
    written = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout  # noqa: S603 - our own script
    assert written == DASHBOARD.read_text()


def test_the_dashboard_is_one_that_grafana_reads() -> None:
    """Every key and value is one that Grafana's own types know."""
    assert findings(document()) == []


BREAKS = {
    "a misnamed option of a panel": change("timeseries", ["options", "legends"], {}),
    "a misnamed option of a legend": change("timeseries", ["options", "legend", "display"], "list"),
    "a legend mode that is none": change("timeseries", ["options", "legend", "displayMode"], "lists"),
    "a legend place that is none": change("timeseries", ["options", "legend", "placement"], "left"),
    "a tooltip mode that is none": change("timeseries", ["options", "tooltip", "mode"], "all"),
    "a tooltip that is a text": change("timeseries", ["options", "tooltip"], "multi"),
    "a graph mode that is none": change("stat", ["options", "graphMode"], "bars"),
    "an option of another kind of panel": change("stat", ["options", "legend"], {"displayMode": "list"}),
    "calculations that are one text": change("stat", ["options", "reduceOptions", "calcs"], "lastNotNull"),
    "a unit that is none": change("timeseries", ["fieldConfig", "defaults", "unit"], "seconds"),
    "a unit that is a number": change("timeseries", ["fieldConfig", "defaults", "unit"], 1),
    "a colour mode that is none": change("timeseries", ["fieldConfig", "defaults", "color", "mode"], "palette"),
    "a misnamed field option": change("stat", ["fieldConfig", "defaults", "decimal"], 0),
    "decimals that are a text": change("stat", ["fieldConfig", "defaults", "decimals"], "0"),
    "a threshold that is a text": change("stat", ["fieldConfig", "defaults", "thresholds", "steps", 1, "value"], "1"),
    "a threshold mode that is none": change("stat", ["fieldConfig", "defaults", "thresholds", "mode"], "relative"),
    "a way to draw that is none": change("timeseries", ["fieldConfig", "defaults", "custom"], {"drawStyle": "spots"}),
    "a key that no panel has": change("timeseries", ["span"], 6),
    "a kind of panel that is none": change("timeseries", ["type"], "graphs"),
    "a link without a type": change("timeseries", ["links"], [{"title": "runbook", "href": "https://example.com"}]),
    "a data source by its name": change("timeseries", ["datasource"], "Prometheus"),
    "a data source of an unknown type": change("timeseries", ["targets", 0, "datasource", "kind"], "prometheus"),
    "a query of another data source": change("timeseries", ["datasource", "type"], "graphite"),
    "a misnamed legend of a query": change("timeseries", ["targets", 0, "legend"], "{{job}}"),
    "a format of a query that is none": change("timeseries", ["targets", 0, "format"], "csv"),
    "a query that is a number": change("timeseries", ["targets", 0, "expr"], 1),
    "a place that is a text": change("timeseries", ["gridPos", "w"], "8"),
    "a variable of a kind that is none": change("", ["templating", "list", 0, "type"], "source"),
    "a variable that is not defined": change("timeseries", ["title"], "Charges of $vendor"),
    "a data source by another variable": change("timeseries", ["datasource", "uid"], "${prometheus}"),
    "a variable that nothing uses": change("", ["templating", "list", 0, "name"], "origin"),
    "a version from before": change("", ["schemaVersion"], 36),
    "a version that is not written yet": change("", ["schemaVersion"], 4100),
    "a key that no dashboard has": change("", ["rows"], []),
    "a refresh that is a number": change("", ["refresh"], 10),
    "a time that is a text": change("", ["time"], "now-1h"),
    "a cursor that is none": change("", ["graphTooltip"], 3),
}


@pytest.mark.parametrize("name", BREAKS)
def test_what_grafana_would_not_understand_is_found(name: str) -> None:
    """Else the test above says nothing."""
    broken = copy.deepcopy(document())
    BREAKS[name](broken)
    assert broken != document()
    assert findings(broken)


@pytest.mark.parametrize(
    "apply",
    [
        change("timeseries", ["links"], [{"title": "runbook", "type": "link", "url": "https://example.com"}]),
        change("timeseries", ["fieldConfig", "defaults", "custom"], {"drawStyle": "points", "lineWidth": 2}),
        change("timeseries", ["title"], "Within $__range, of ${source:text}"),
        change("", ["graphTooltip"], 1),
    ],
    ids=["a link", "a way to draw", "variables that are there", "a shared cursor"],
)
def test_what_grafana_understands_is_not_found(apply: Callable[[Document], None]) -> None:
    """A check that finds everything wrong says nothing either."""
    changed = document()
    apply(changed)
    assert findings(changed) == []


@pytest.mark.parametrize("broken", [False, True], ids=["as they are", "one without its bracket"])
def test_the_queries_are_prometheus_own_language(tmp_path: Path, broken: bool) -> None:
    """Prometheus's tool reads each as the expression of a rule."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not here")
    asked = [query[:-1] if broken and index == 0 else query for index, query in enumerate(queries())]
    rules = [{"record": f"panel:query:{index}", "expr": query} for index, query in enumerate(asked)]
    (tmp_path / "queries.yml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    command = [program, "check", "rules", "queries.yml"]
    outcome = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)  # noqa: S603 - our own queries
    assert (outcome.returncode != 0) == broken, outcome.stdout + outcome.stderr


def test_the_panels_stand_side_by_side() -> None:
    """They are numbered, do not overlap, tell what they show, and each asks the chosen source."""
    shown = document()["panels"]
    assert len({panel["id"] for panel in shown}) == len(shown)
    for panel in shown:
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
        if panel["type"] == "row":
            continue
        assert panel["type"] in {"timeseries", "stat"}
        assert panel["description"]
        letters = [target["refId"] for target in panel["targets"]]
        assert letters == sorted(set(letters))
        assert all(target["datasource"] == panel["datasource"] == {"type": "prometheus", "uid": "${source}"} for target in panel["targets"])
    assert not any(_overlap(one["gridPos"], other["gridPos"]) for one, other in combinations(shown, 2))


def _overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return (
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )
