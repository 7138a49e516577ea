"""Counts of answers: added up across processes, kept while the database is away."""

import pytest

from inference import tally
from inference.models import AnswerTally
from inference.receipts import without_model


@pytest.fixture(autouse=True)
def _empty() -> None:
    tally._pending.clear()


def receipt(rung: str = "quoted"):  # type: ignore[no-untyped-def]
    return without_model(rung=rung, language="en", request_id="r", passages=[], duration_ms=7)


@pytest.mark.django_db(transaction=True)
async def test_answers_of_one_kind_are_one_row_that_grows() -> None:
    for _ in range(3):
        tally.record(receipt())
    await tally.write()
    tally.record(receipt())
    await tally.write()

    row = await AnswerTally.objects.aget()
    assert (row.answers, row.duration_ms, row.rung) == (4, 28, "quoted")


@pytest.mark.django_db(transaction=True)
async def test_kinds_and_failures_are_kept_apart() -> None:
    tally.record(receipt("quoted"))
    tally.record(receipt("none"))
    tally.record_failure(rung="small", language="fr")
    await tally.write()

    assert await AnswerTally.objects.acount() == 3
    assert (await AnswerTally.objects.aget(rung="small")).failures == 1


def test_a_tally_has_no_place_for_text() -> None:
    names = {field.name for field in AnswerTally._meta.get_fields()}

    assert names == {"id", "day", "rung", "tier", "model", "language", *tally.COLUMNS}
