"""Plans and prices: the list for everybody, the page that holds none of them, and the page without script."""

import datetime
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import LazySettings
from django.test import AsyncClient, Client
from django.utils import timezone

from billing.models import ModelPrice, Plan
from inference.price_list import price_list
from inference.registry import snapshot
from tests.billing.ledgers import seed

A_PRICE = re.compile(r"\d[\s\u202f]*USD")


@pytest.fixture(autouse=True)
def _offered(transactional_db: None, settings: LazySettings) -> Iterator[None]:
    settings.LLM_CPU = {**settings.LLM_CPU, "url": "http://127.0.0.1:5999"}
    seed()
    for kept in (price_list, snapshot):
        kept.forget()  # type: ignore[attr-defined]
    yield
    for kept in (price_list, snapshot):
        kept.forget()  # type: ignore[attr-defined]


async def told(client: AsyncClient) -> dict[str, Any]:
    response = await client.get("/api/prices")
    assert response.status_code == 200
    assert response["Cache-Control"] == "public, max-age=60" and not response.cookies
    return dict(response.json())


async def test_the_list_holds_what_is_offered_and_the_models_there_are(async_client: AsyncClient) -> None:
    await Plan.objects.filter(slug="scale").aupdate(offered=False)

    found = await told(async_client)

    assert [plan["slug"] for plan in found["plans"]] == ["free", "build"]
    assert found["plans"][1]["month_usd"] == 9.0 and found["plans"][1]["summary"]["fr"]
    assert [model["id"] for model in found["models"]] == ["wagmi-small"]
    assert (found["models"][0]["input_usd"], found["models"][0]["output_usd"]) == (0.1, 0.4)


async def test_a_price_holds_from_its_day_on_and_a_model_without_one_is_not_sold(async_client: AsyncClient) -> None:
    now = timezone.now()
    await ModelPrice.objects.all().adelete()
    assert (await told(async_client))["models"][0]["input_usd"] is None

    for days, price in ((-2, 100_000), (-1, 5_000), (1, 900_000)):
        await ModelPrice.objects.acreate(
            model="wagmi-small",
            valid_from=now + datetime.timedelta(days=days),
            input_microusd=price,
            output_microusd=price,
        )
    price_list.forget()

    assert (await told(async_client))["models"][0]["input_usd"] == 0.005


@pytest.mark.parametrize(("path", "live"), [("/pricing/", "/live/en/prices/"), ("/fr/pricing/", "/live/fr/prices/")])
def test_the_public_page_holds_no_price_and_leads_to_the_one_without_script(
    client: Client, path: str, live: str
) -> None:
    text = client.get(path).content.decode()

    assert not A_PRICE.search(text.partition('<div class="prose">')[0])
    assert live in text and "/api/prices" in text


async def test_the_page_without_script_shows_the_list(async_client: AsyncClient, settings: LazySettings) -> None:
    english = (await async_client.get("/live/en/prices/")).content.decode()
    french = (await async_client.get("/live/fr/prices/")).content.decode()
    settings.STRIPE_SECRET_KEY = "sk_test_1"
    price_list.forget()
    paid = (await async_client.get("/live/en/prices/")).content.decode()

    assert "0.10\xa0USD" in english and "0,10\xa0USD" in french
    assert "Build" in english and "49.00\xa0USD" in english
    assert "No payment provider is connected" in english and "No payment provider is connected" not in paid
