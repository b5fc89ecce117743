"""UUIDs of version 7."""

import os
import time
from uuid import UUID

from shared.uuid7 import BufferedRandom, Uuid7Sequence, derived_ids, uuid7, uuid7_text


def test_an_id_is_a_uuid_of_version_7_that_tells_its_time() -> None:
    """Version, variant and the first 48 bits are those of RFC 9562."""
    before = time.time_ns() // 1_000_000
    made = uuid7()
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert before <= made.int >> 80 <= time.time_ns() // 1_000_000


def test_the_text_is_the_usual_one() -> None:
    """36 characters, lower case."""
    text = uuid7_text()
    assert str(UUID(text)) == text


def test_ids_of_a_process_rise_and_never_repeat() -> None:
    """Also many within one millisecond."""
    made = [uuid7_text() for _ in range(20_000)]
    assert made == sorted(set(made))


def test_a_clock_set_back_does_not_break_the_order() -> None:
    """The sequence goes on from where it was."""
    times = iter([5_000_000_000, 1_000_000_000, 1_000_000_000, 6_000_000_000])
    sequence = Uuid7Sequence(now_ns=lambda: next(times))
    made = [sequence.next_int() for _ in range(4)]
    assert made == sorted(made)
    assert made[2] >> 80 == 5_000
    assert made[3] >> 80 == 6_000


def test_a_counter_that_is_spent_borrows_the_next_millisecond() -> None:
    """The order holds even then."""
    sequence = Uuid7Sequence(now_ns=lambda: 7_000_000)
    first = sequence.next_int()
    sequence._counter = 2**42 - 1
    second = sequence.next_int()
    assert (second > first, second >> 80) == (True, 8)


def test_two_sequences_do_not_meet() -> None:
    """Two processes that start in the same millisecond draw different numbers."""
    one, other = Uuid7Sequence(now_ns=lambda: 7_000_000), Uuid7Sequence(now_ns=lambda: 7_000_000)
    assert not {one.next_int() for _ in range(1000)} & {other.next_int() for _ in range(1000)}


def test_derived_ids_are_the_same_each_time_and_differ_by_index() -> None:
    """A batch that is sent again must make the same charges, also where its numbers run over the end."""
    base = "01a20a32-e225-7435-86aa-8e4ffffffff0"
    made = derived_ids(base, 10_000)
    assert made == derived_ids(base, 10_000)
    assert len(set(made)) == 10_000
    assert {UUID(each).version for each in made} == {7}


def test_buffered_random_bytes_are_never_given_out_twice_even_across_a_fork() -> None:
    """A child that inherited the buffer must not repeat its parent's bytes."""
    source = BufferedRandom()
    seen = {source(10) for _ in range(1_000)}
    assert len(seen) == 1_000
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, source(10))
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 10) != source(10)
    os.close(reading)
    os.close(writing)
