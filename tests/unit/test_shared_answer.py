"""One answer for everybody who asks at about the same time."""

import asyncio

import pytest

from shared.shared_answer import SharedAnswer


class Question:
    """Counts how often it is asked, and answers when it is told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.answer = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self) -> int:
        """Answer with how often it was asked."""
        self.asked += 1
        await self.answer.wait()
        if self.error is not None:
            raise self.error
        return self.asked


async def test_a_thousand_who_ask_together_are_one_question() -> None:
    """All get the same answer, also who asks a moment later."""
    question = Question()
    shared = SharedAnswer(question, seconds=60)
    asking = [asyncio.create_task(shared()) for _ in range(1000)]
    question.answer.set()

    assert set(await asyncio.gather(*asking)) == {1}
    assert await shared() == 1
    assert question.asked == 1


async def test_an_old_answer_is_asked_for_again() -> None:
    """Nobody is told what was true long ago."""
    question = Question()
    question.answer.set()
    shared = SharedAnswer(question, seconds=0)

    assert [await shared(), await shared()] == [1, 2]


async def test_who_leaves_takes_no_answer_from_the_others() -> None:
    """One caller's deadline is nobody else's."""
    question = Question()
    shared = SharedAnswer(question, seconds=60)
    first, second = asyncio.create_task(shared()), asyncio.create_task(shared())
    await asyncio.sleep(0)
    first.cancel()
    question.answer.set()

    assert await second == 1
    assert first.cancelled() or first.done()


async def test_an_error_is_not_remembered() -> None:
    """It reaches who waited for it, and the next one asks anew."""
    question = Question()
    question.answer.set()
    question.error = OSError("out of reach")
    shared = SharedAnswer(question, seconds=60)
    with pytest.raises(OSError, match="out of reach"):
        await shared()
    question.error = None

    assert await shared() == 2
