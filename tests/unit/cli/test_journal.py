"""The journal of a file of charges: what a kill may and may not take from it."""

from pathlib import Path

import click
import pytest
from charging_cli.bulk.journal import Journal, Outcome

ACCEPTED = Outcome(1, "k-1", "accepted", charge_id="c-1", created_at="2026-01-31T12:00:00Z")


def journal(path: Path, job: str = "job", url: str = "http://here") -> Journal:
    """Return the journal of a job."""
    return Journal(path, job=job, url=url)


def test_what_was_noted_is_known_to_the_next_run(tmp_path: Path) -> None:
    """The last that was noted about a line counts."""
    path = tmp_path / "j"
    with journal(path) as first:
        first.note([ACCEPTED, Outcome(1, "k-2", "refused", reason="CUSTOMER_NOT_FOUND")])
        first.note([Outcome(1, "k-2", "accepted", charge_id="c-2")])

    with journal(path) as second:
        assert second.outcome(1, "k-1") == ACCEPTED
        found = second.outcome(1, "k-2")
        assert found is not None
        assert (found.state, found.charge_id) == ("accepted", "c-2")
        assert second.outcome(2, "k-1") is None


def test_a_torn_last_line_is_cut_off_and_written_over(tmp_path: Path) -> None:
    """Wherever the kill hit: in the first line, in a later one, or between two."""
    whole = tmp_path / "whole"
    with journal(whole) as notes:
        notes.note([ACCEPTED])
    content = whole.read_bytes()
    for length in range(len(content)):
        path = tmp_path / f"torn-{length}"
        path.write_bytes(content[:length])
        with journal(path) as again:
            assert again.outcome(1, "k-1") is None
            again.note([ACCEPTED])
        assert path.read_bytes() == content


def test_a_journal_in_use_is_left_alone(tmp_path: Path) -> None:
    """Two runs at a time would not know of each other's charges."""
    with journal(tmp_path / "j"), pytest.raises(click.UsageError, match="in use"), journal(tmp_path / "j"):
        pytest.fail("both are open")


@pytest.mark.parametrize(("job", "url", "named"), [("other", "http://here", "changed"), ("job", "http://there", "about http://here")])
def test_the_journal_of_something_else_is_refused(tmp_path: Path, job: str, url: str, named: str) -> None:
    """Its lines would be taken for those of this file."""
    with journal(tmp_path / "j"):
        pass
    with pytest.raises(click.UsageError, match=named), journal(tmp_path / "j", job, url):
        pytest.fail("it was opened")


def test_another_kind_of_file_is_not_written_to(tmp_path: Path) -> None:
    """A mistake in --journal costs nothing."""
    path = tmp_path / "holiday.txt"
    path.write_text("dear diary\n")
    with pytest.raises(click.UsageError, match="no journal"), journal(path):
        pytest.fail("it was opened")
    assert path.read_text() == "dear diary\n"
