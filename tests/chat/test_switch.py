"""The switch in the admin: new questions fall back within a minute, and the model comes back with it."""

import time

import pytest

from tests.live import Site, wait_for

pytestmark = pytest.mark.slow
QUESTION = "Which licence is the code under and can I reuse it?"
SWITCH = "from inference.models import Backend; Backend.objects.update(enabled={})"


def rung(site: Site) -> str:
    return str(site.events(QUESTION)[-1]["rung"])


def test_switched_off_the_quote_answers_and_switched_on_the_model_does(live_site: Site) -> None:
    assert rung(live_site) == "small"

    try:
        live_site.manage("shell", "-c", SWITCH.format(False))
        started = time.monotonic()
        wait_for(lambda: rung(live_site) == "quoted", 60)
        assert time.monotonic() - started < 60
        assert live_site.events(QUESTION)[-1]["notice"]["code"] == "model_unavailable"
        assert live_site.events("How long do you keep my chats?")[-1]["rung"] == "verified"
    finally:
        live_site.manage("shell", "-c", SWITCH.format(True))
    wait_for(lambda: rung(live_site) == "small", 60)
