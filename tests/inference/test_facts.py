"""Live figures: sums of what was counted, read at most once a minute, and nothing that is nobody's business."""

import asyncio
import datetime
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import LazySettings
from django.test import AsyncClient
from django.utils import timezone

from inference.energy import METHOD, Effort
from inference.facts import DAYS, Kept, energy_of, live, probed
from inference.models import AnswerTally, Backend, Model
from inference.registry import snapshot

TODAY = timezone.now().date()


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    for kept in (live, probed, snapshot):
        kept.forget()  # type: ignore[attr-defined]
    yield
    for kept in (live, probed, snapshot):
        kept.forget()  # type: ignore[attr-defined]


async def count(rung: str, *, days_ago: int = 0, language: str = "en", **counts: int) -> None:
    day = TODAY - datetime.timedelta(days=days_ago)
    await AnswerTally.objects.acreate(day=day, rung=rung, language=language, **counts)


async def read(client: AsyncClient) -> dict[str, Any]:
    response = await client.get("/api/facts")
    assert response.status_code == 200
    return dict(response.json())


@pytest.mark.django_db(transaction=True)
async def test_answers_are_summed_by_rung_and_language(async_client: AsyncClient) -> None:
    await count("verified", answers=2)
    await count("quoted", answers=3, language="fr")
    await count("small", answers=4, days_ago=40, prompt_tokens=900, completion_tokens=50)
    await count("small", failures=1)
    await count("none", answers=1)

    found = await read(async_client)

    assert found["answers"] == {
        "total": 10,
        "failures": 1,
        "by_rung": {"verified": 2, "quoted": 3, "small": 4, "large": 0, "none": 1},
        "no_model_share": 0.6,
        "by_language": {"en": 7, "fr": 3},
    }
    assert found["tokens"] == {"prompt": 900, "completion": 50}
    assert found["since"] == str(TODAY - datetime.timedelta(days=40))


@pytest.mark.django_db(transaction=True)
async def test_before_the_first_answer_there_is_no_share_and_no_day(async_client: AsyncClient) -> None:
    found = await read(async_client)

    assert found["answers"]["total"] == 0 and found["answers"]["no_model_share"] is None
    assert found["since"] is None and found["days"] == []
    assert datetime.datetime.fromisoformat(found["generated_at"]).utcoffset() == datetime.timedelta(0)


@pytest.mark.django_db(transaction=True)
async def test_days_run_from_the_first_counted_one_to_today_and_a_quiet_one_is_a_zero(
    async_client: AsyncClient,
) -> None:
    await count("quoted", answers=2, days_ago=2)
    await count("small", answers=1, days_ago=2)
    await count("small", answers=5)

    days = (await read(async_client))["days"]

    assert [(day["answers"], day["no_model"]) for day in days] == [(3, 2), (0, 0), (5, 0)]
    assert days[-1]["day"] == str(TODAY)


@pytest.mark.django_db(transaction=True)
async def test_no_more_than_thirty_days_are_listed(async_client: AsyncClient) -> None:
    for days_ago in (DAYS + 10, DAYS, DAYS - 1):
        await count("quoted", answers=1, days_ago=days_ago)

    found = await read(async_client)

    assert len(found["days"]) == DAYS and found["days"][0]["answers"] == 1
    assert found["answers"]["total"] == 3


def test_the_range_of_energy_is_the_one_that_the_receipts_give() -> None:
    receipt = Effort(3600.0, METHOD).energy_j

    found = energy_of(round(receipt["mid"] * 1000))

    assert {name: value / 3600 for name, value in receipt.items()} == pytest.approx(
        {"low": found.low, "mid": found.mid, "high": found.high}
    )
    assert "modelled" in found.method


@pytest.mark.django_db(transaction=True)
async def test_models_are_named_as_receipts_name_them_and_no_address_or_key_is_told(
    async_client: AsyncClient, settings: LazySettings
) -> None:
    digest = "ab" * 32
    settings.LLM_CPU = {
        **settings.LLM_CPU,
        "url": "http://127.0.0.1:5999",
        "key": "k-secret",
        "weights_sha256": digest,
    }
    settings.CHAT_RATE_LIMIT = "7/30m"

    response = await async_client.get("/api/facts")

    found, text = response.json(), response.content.decode()
    assert found["models"][0] == {
        "id": "wagmi-small",
        "name": settings.LLM_CPU["name"],
        "tier": "small",
        "hardware": "cpu",
        "languages": ["en"],
        "weights_sha256": digest,
        "digest": "declared",
        "enabled": True,
    }
    assert found["limits"] == {"questions": 7, "window_minutes": 30}
    assert "5999" not in text and "k-secret" not in text and "127.0.0.1" not in text


@pytest.mark.django_db(transaction=True)
async def test_any_cache_may_keep_the_figures_for_a_minute_and_nobody_gets_a_cookie(async_client: AsyncClient) -> None:
    response = await async_client.get("/api/facts")

    assert response["Cache-Control"] == "public, max-age=60"
    assert response["Content-Type"] == "application/json"
    assert not response.cookies and "Cookie" not in response.get("Vary", "")


@pytest.mark.django_db(transaction=True)
async def test_a_process_reads_the_figures_once_a_minute(async_client: AsyncClient) -> None:
    await count("quoted", answers=1)
    first = await read(async_client)
    await count("small", answers=1)

    assert await read(async_client) == first
    live.forget()
    assert (await read(async_client))["answers"]["total"] == 2


async def test_those_who_ask_at_once_share_one_reading() -> None:
    readings = []

    async def read_slowly() -> int:
        readings.append(1)
        await asyncio.sleep(0.01)
        return 7

    kept = Kept(read_slowly, kept_s=60)

    assert await asyncio.gather(*(kept.current() for _ in range(5))) == [7] * 5
    assert len(readings) == 1


async def test_what_was_read_before_stands_while_the_database_is_away() -> None:
    answers: list[int | Exception] = [7, OSError("away")]

    async def read_next() -> int:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    kept = Kept(read_next, kept_s=0)

    assert await kept.known() == (7, True)
    assert await kept.known() == (7, False)


async def test_before_the_first_reading_nothing_is_known() -> None:
    async def fail() -> int:
        raise OSError("away")

    assert await Kept(fail, kept_s=60).known() == (None, False)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("language", ["en", "fr"])
async def test_the_status_page_shows_last_checks_and_the_same_totals(async_client: AsyncClient, language: str) -> None:
    await count("quoted", answers=1234)
    model = await Model.objects.acreate(
        public_id="m", name="The Weights", tier="small", hardware="cpu", context_tokens=10, max_output_tokens=5
    )
    checked = datetime.datetime(2026, 11, 20, 8, 30, 15, tzinfo=datetime.UTC)
    await Backend.objects.acreate(name="b", model=model, runtime="llamacpp", url="http://x", state="ready")
    await Backend.objects.aupdate(checked_at=checked)

    response = await async_client.get(f"/live/{language}/status/")

    html = response.content.decode()
    assert response.status_code == 200 and response["Content-Language"] == language
    assert "The Weights" in html and "2026-11-20 08:30:15 UTC" in html and "http://x" not in html
    assert "PostgreSQL" in html and "Redis" in html
    # French parts thousands with a no-break space.
    assert re.search({"en": "1,234", "fr": "1[\u00a0\u202f]234"}[language], html)
