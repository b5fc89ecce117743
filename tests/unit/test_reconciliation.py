"""Two lists of charges compared: each row has at most one charge, each charge at most one row, and nothing is left out."""

import random
from collections import Counter
from datetime import UTC, datetime

from services.customer_charge.domain.reconciliation import Differing, Discrepancy, Found, Kind, Ours, Row, compare

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SUCCEEDED, FAILED = 2, 3


def row(line: int, *, charge: str = "", key: str = "", name: str = "", customer: int = 7, amount: int = 100, state: int = SUCCEEDED) -> Row:
    """Return a row of the caller's."""
    return Row(line, charge, key, name, customer, amount, state, None)


def ours(charge_id: str, *, customer: int = 7, amount: int = 100, state: int = SUCCEEDED, name: str | None = None) -> Ours:
    """Return a charge of ours."""
    return Ours(charge_id, customer, amount, state, name, 0, NOW)


def found(*charges: Ours, keys: dict[str, str] | None = None) -> Found:
    """Return what the storage would find."""
    by_id = {each.id: each for each in charges}
    by_name: dict[str, list[Ours]] = {}
    for each in charges:
        if each.external_id is not None:
            by_name.setdefault(each.external_id, []).append(each)
    return Found(by_id, {key: by_id[charge_id] for key, charge_id in (keys or {}).items()}, by_name)


def told(rows: list[Row], theirs: Found) -> list[tuple[int, Kind, tuple[Differing, ...]]]:
    """Return line, kind and fields of each discrepancy."""
    return [(each.row.line, each.kind, each.fields) for _, each in compare(rows, theirs).discrepancies if each.row is not None]


def test_a_row_that_says_what_we_say_is_no_discrepancy() -> None:
    """By each of its names, and whatever is not given is not compared."""
    theirs = found(ours("a", name="order"), keys={"k": "a"})
    for each in (row(1, charge="a"), row(1, key="k"), row(1, name="order"), row(1, charge="a", key="k", name="order")):
        assert told([each], theirs) == []
    assert told([row(1, charge="a", customer=0, state=0)], theirs) == []


def test_each_field_that_differs_is_named() -> None:
    """One by one, and together."""
    theirs = found(ours("a", name="order"), ours("b"), keys={"k": "a", "other": "b"})
    for each, field in (
        (row(1, charge="a", customer=8), Differing.CUSTOMER),
        (row(1, charge="a", amount=101), Differing.AMOUNT),
        (row(1, charge="a", state=FAILED), Differing.STATUS),
        (row(1, charge="a", key="other"), Differing.IDEMPOTENCY_KEY),
        (row(1, charge="a", key="unknown"), Differing.IDEMPOTENCY_KEY),
        (row(1, charge="a", name="another"), Differing.EXTERNAL_ID),
        (row(1, charge="unknown", key="k"), Differing.CHARGE),
        (row(1, charge="a")._replace(reversed_amount=5), Differing.REVERSED_AMOUNT),
    ):
        assert told([each], theirs) == [(1, Kind.DIFFERING, (field,))]
    assert told([row(1, charge="a", customer=8, amount=9, state=FAILED)], theirs)[0][2] == (
        Differing.CUSTOMER,
        Differing.AMOUNT,
        Differing.STATUS,
    )


def test_a_charge_belongs_to_the_first_row_that_has_it() -> None:
    """Whatever the others call it by, and the second one names the line of the first."""
    theirs = found(ours("a", name="order"), keys={"k": "a"})
    compared = compare([row(2, key="k"), row(3, charge="a"), row(4, name="order"), row(5, key="k")], theirs)
    assert [(each.kind, each.row and each.row.line, each.first_line) for _, each in compared.discrepancies] == [
        (Kind.DUPLICATE, 3, 2),
        (Kind.DUPLICATE, 4, 2),
        (Kind.DUPLICATE, 5, 2),
    ]
    assert compared.taken == {"a"}


def test_rows_of_one_external_id_share_its_charges() -> None:
    """A row takes the charge that agrees with it, not a failed try before; then the oldest left; then there is none left."""
    failed, done = ours("a", state=FAILED, name="order"), ours("b", name="order")
    assert told([row(1, name="order")], found(failed, done)) == []
    assert compare([row(1, name="order")], found(failed, done)).taken == {"b"}
    assert told([row(1, name="order", amount=1), row(2, name="order")], found(failed, done)) == [
        (1, Kind.DIFFERING, (Differing.AMOUNT, Differing.STATUS))
    ]
    assert told([row(line, name="order") for line in (1, 2, 3)], found(done)) == [(2, Kind.DUPLICATE, ()), (3, Kind.DUPLICATE, ())]


def test_a_row_without_a_charge_is_only_yours() -> None:
    """Twice if it is there twice: nothing of ours is taken by it."""
    assert told([row(1, key="x"), row(2, key="x"), row(3, charge="y"), row(4, name="z")], found(ours("a"))) == [
        (line, Kind.ONLY_YOURS, ()) for line in (1, 2, 3, 4)
    ]


def test_every_row_is_accounted_for_whatever_the_lists() -> None:
    """Rows are matched, differing, doubled or only theirs; matched and differing ones together are as many as the charges taken."""
    for seed in range(200):
        dice = random.Random(seed)
        charges = [ours(f"c{each}", amount=dice.randint(1, 3), name=dice.choice([None, "n1", "n2"])) for each in range(dice.randint(0, 8))]
        keys = {f"k{each}": dice.choice(charges).id for each in range(4)} if charges else {}
        rows = [
            row(
                line,
                charge=dice.choice(["", f"c{dice.randint(0, 9)}"]),
                key=dice.choice(["", f"k{dice.randint(0, 5)}"]),
                name=dice.choice(["n1", "n2", "n3"]),
                amount=dice.randint(1, 3),
            )
            for line in range(dice.randint(0, 12))
        ]
        compared = compare(rows, found(*charges, keys=keys))
        kinds: Counter[Kind] = Counter(each.kind for _, each in compared.discrepancies)
        places = [place for place, _ in compared.discrepancies]
        assert places == sorted(set(places))
        assert len(rows) - kinds[Kind.ONLY_YOURS] - kinds[Kind.DUPLICATE] == len(compared.taken)
        assert all(_well_made(each) for _, each in compared.discrepancies), seed


def _well_made(each: Discrepancy) -> bool:
    return (
        (each.ours is None) == (each.kind is Kind.ONLY_YOURS)
        and bool(each.fields) == (each.kind is Kind.DIFFERING)
        and (each.first_line is not None) == (each.kind is Kind.DUPLICATE)
    )


def test_one_careless_external_id_for_all_is_compared_in_bounded_time() -> None:
    """Thousands of rows and charges of one name are no quadratic work."""
    charges = [ours(f"{number:06}", amount=number % 97 + 1, name="x") for number in range(6_000)]
    rows = [row(number, name="x", amount=(number * 31) % 97 + 1) for number in range(6_000)]
    begun = datetime.now(UTC)
    compared = compare(rows, found(*charges))
    assert len(compared.taken) == 6_000
    assert (datetime.now(UTC) - begun).total_seconds() < 5
