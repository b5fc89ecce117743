"""What clients were promised and the books no longer hold: the list that a history gives after commits were lost."""

from collections.abc import Iterable
from dataclasses import dataclass

from tests.faults.facts import Facts
from tests.faults.history import Line, stories_of
from tests.faults.judge import STATUSES
from tests.faults.model import CONFIRMED, REJECTED, SEALED

OPEN = "accepted"


@dataclass(frozen=True, slots=True)
class Lost:
    """Ids of acknowledged things that are gone, and of charges whose final state, once told, is another now."""

    charges: frozenset[str]
    reversals: frozenset[str]
    requests: frozenset[int]
    decisions: frozenset[str]
    seals: frozenset[str]
    outcomes: frozenset[str]

    def __len__(self) -> int:
        """Return how many promises are broken."""
        return sum(len(getattr(self, name)) for name in self.__slots__)


def find_lost(facts: Facts, lines: Iterable[Line]) -> Lost:
    """Hold a history against the books; return what it says and they do not."""
    told = {kind: set[str]() for kind in ("charge", "reverse", "submit")}
    decisions, seals, outcomes = set[str](), set[str](), set[tuple[str, str]]()
    for story in stories_of(lines):
        if story.kind in told:
            told[story.kind] |= {str(answer["id"]) for answer in story.told}
        if story.kind in {"approve", "reject"} and story.told:
            decisions.add(story.key)
        if story.kind == "resolve" and any(answer["status"] == "sealed" for answer in story.told):
            seals.add(story.key)
        if story.kind == "charge":
            outcomes |= {(answer["id"], answer["status"]) for answer in story.told if answer["status"] != OPEN}
        if story.kind == "read":
            outcomes |= {(story.key, answer["status"]) for answer in story.told if answer["status"] != OPEN}
    states = {charge.id: STATUSES[charge.state] for charge in facts.charges}
    decided = {f"approve-{request.id}" for request in facts.requests if request.state == CONFIRMED}
    decided |= {f"reject-{request.id}" for request in facts.requests if request.state == REJECTED}
    return Lost(
        charges=frozenset(told["charge"] - states.keys()),
        reversals=frozenset(told["reverse"] - {reversal.id for reversal in facts.reversals}),
        requests=frozenset({int(number) for number in told["submit"]} - {request.id for request in facts.requests}),
        decisions=frozenset(decisions - decided),
        seals=frozenset(seals - {key.key for key in facts.keys if key.state == SEALED}),
        outcomes=frozenset(id_ for id_, status in outcomes if states.get(id_, status) != status),
    )
