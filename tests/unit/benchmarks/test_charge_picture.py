"""The picture of what one charge costs."""

from pathlib import Path

from benchmarks.charge_picture import process_frame, told, write_charge_picture

STACKS = [
    "_run (<frozen runpy>:88);run (shared/main.py:50);_serve (door.py:10);_write (door.py:20) 3",
    "_run (<frozen runpy>:88);run (shared/main.py:51);_serve (door.py:11) 1",
]


def test_a_process_is_as_wide_as_it_costs_and_its_functions_share_that() -> None:
    """Lines of one function are one, and what starts the process is left out."""
    frame = process_frame("gateway", 80.0, STACKS)
    assert frame.samples == 80_000
    serve = frame.callees["_serve (door.py)"]
    assert (serve.samples, serve.callees["_write (door.py)"].samples) == (80_000, 60_000)


def test_frames_of_the_interpreter_are_not_told() -> None:
    """What is left is the program's own, outermost first."""
    assert told(STACKS[0].rpartition(" ")[0].split(";")) == ["_serve (door.py)", "_write (door.py)"]


def test_processes_without_samples_are_in_the_picture_too(tmp_path: Path) -> None:
    """Engines are not looked into, and cost all the same; what costs nothing is left out."""
    (tmp_path / "run-1.gateway.txt").write_text("\n".join(STACKS))
    picture = write_charge_picture(tmp_path, "run-1", {"postgres": 50.0, "gateway": 80.0, "broker": 0.01}).read_text()
    assert "One charge: 130 microseconds" in picture
    assert picture.index("gateway 80 us") < picture.index("postgres 50 us")
    assert "broker" not in picture
