"""What costs us work and them nothing has limits too."""

import pytest

from tests.api.door import CHAT, ScriptedDoor, customers
from tests.customers import question

pytestmark = pytest.mark.slow


def test_bodies_that_are_refused_have_a_limit_of_their_own(door: ScriptedDoor) -> None:
    door.keys |= customers(door.site, {"careless": {"customer": {"plan": "free"}}})

    statuses = [door.post({"messages": []}, who="careless").status for _ in range(40)]

    assert set(statuses) == {400, 429} and statuses[-1] == 429
    assert statuses.count(400) <= 25  # 20 in a minute, and what flows back meanwhile


def test_a_prompt_that_no_context_could_hold_is_refused_unread(door: ScriptedDoor) -> None:
    refused = door.post(question("x" * 200_000), CHAT)

    assert (refused.status, refused.error["code"]) == (400, "context_length_exceeded")
    assert door.server.requests == []


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31", "2026-02-30", ""])
def test_a_day_that_cannot_be_reported_is_refused(door: ScriptedDoor, day: str) -> None:
    assert door.get(f"/usage?to={day}").status == 400


def test_a_suspended_customer_is_refused_before_the_body_is_read(door: ScriptedDoor) -> None:
    refused = door.post(b"{no json", who="suspended")

    assert (refused.status, refused.error["code"]) == (402, "account_suspended")


def test_a_key_for_chat_alone_says_nothing_of_the_account(door: ScriptedDoor) -> None:
    sources = {limit["source"] for limit in door.get("/key", who="chat").body["limits"]}

    assert sources == {"key"}
    assert {limit["source"] for limit in door.get("/key").body["limits"]} == {"account", "key"}
