"""What a worker remembers of who dealt with whom."""

from services.customer_charge.domain.links import KnownLinks


def test_a_link_is_missing_until_it_was_added() -> None:
    """Pairs come back sorted, each once, without those that are known."""
    links = KnownLinks()
    assert links.missing([(2, 1), (1, 2), (2, 1)]) == [(1, 2), (2, 1)]
    links.add([(2, 1)])
    assert links.missing([(2, 1), (1, 2)]) == [(1, 2)]


def test_the_memory_is_bounded() -> None:
    """Too many links push out earlier ones, which are missing again."""
    links = KnownLinks(limit=2)
    links.add([(1, 1), (2, 2)])
    links.add([(3, 3)])
    assert links.missing([(1, 1), (2, 2), (3, 3)]) == [(1, 1), (2, 2)]
