"""One list of promises (``inference.drivers.base``) for all drivers, and what each adds."""

import datetime
import logging
import time
from collections.abc import Iterator

import pytest

from inference import drivers
from inference.drivers import http
from inference.drivers.base import DriverError, Fenced, PowerState
from tests.provider import SECRET_BODY, TOKEN, ScriptedProvider

ALL = ["on_demand", "wake_url", "start_stop"]
TOLD = ["on_demand", "start_stop"]


@pytest.fixture(scope="module")
def shared() -> Iterator[ScriptedProvider]:
    with ScriptedProvider() as provider:
        yield provider


@pytest.fixture
def provider(shared: ScriptedProvider) -> ScriptedProvider:
    shared.reset()
    return shared


@pytest.fixture(params=ALL)
def driver(request, provider: ScriptedProvider, settings):  # type: ignore[no-untyped-def]
    """Each driver in turn, before the same provider."""
    for name, value in provider.settings(request.param).items():
        setattr(settings, name, value)
    return drivers.driver()


def test_wake_starts_it_and_asking_again_is_harmless(driver, provider: ScriptedProvider) -> None:  # type: ignore[no-untyped-def]
    assert driver.state() == PowerState.ASLEEP

    driver.wake(1)
    driver.wake(1)

    assert driver.state() == PowerState.AWAKE


def test_a_cold_start_is_waking_until_it_is_up(driver, provider: ScriptedProvider) -> None:  # type: ignore[no-untyped-def]
    provider.up_after_s = 60

    driver.wake(1)

    assert driver.state() == PowerState.WAKING


def test_it_goes_to_sleep_when_told_or_says_that_it_cannot_be_told(driver, provider: ScriptedProvider) -> None:  # type: ignore[no-untyped-def]
    driver.wake(1)

    driver.sleep(1)
    driver.sleep(1)

    told = driver.sleeps_by_itself_s is None
    assert (driver.state() == PowerState.ASLEEP) is told
    assert told or driver.sleeps_by_itself_s == 120.0
    assert told or provider.times("/stop") == 0, "a request would keep it awake"


def test_looking_asks_the_provider_and_never_the_model(driver, provider: ScriptedProvider) -> None:  # type: ignore[no-untyped-def]
    for _ in range(100):
        driver.state()

    assert {path for _method, path in provider.requests} == {"/state"}
    assert provider.word == "stopped"


def test_a_provider_that_cannot_be_asked_is_unknown(driver, provider: ScriptedProvider, settings) -> None:  # type: ignore[no-untyped-def]
    provider.knows_state = False
    unknown = driver.state()
    settings.LLM_GPU_STATE_URL = ""

    assert unknown == driver.state() == PowerState.UNKNOWN


@pytest.mark.parametrize("status", [400, 401, 404, 500])
def test_a_refusal_is_an_error_without_the_providers_words(  # type: ignore[no-untyped-def]
    driver, provider: ScriptedProvider, status: int, caplog
) -> None:
    provider.status = status

    with caplog.at_level(logging.DEBUG), pytest.raises(DriverError) as refused:
        driver.wake(1)

    said = f"{refused.value} {caplog.text}"
    assert str(status) in str(refused.value) and SECRET_BODY not in said and TOKEN not in said


def test_a_provider_that_is_away_is_an_error(driver, settings) -> None:  # type: ignore[no-untyped-def]
    settings.LLM_GPU_WAKE_URL = settings.LLM_GPU_STATE_URL = "http://127.0.0.1:9/x"

    with pytest.raises(DriverError):
        driver.wake(1)
    assert driver.state() == PowerState.UNKNOWN


def test_no_redirect_is_followed_with_our_token(driver, provider: ScriptedProvider) -> None:  # type: ignore[no-untyped-def]
    provider.redirects_to = f"{provider.url}/elsewhere"

    with pytest.raises(DriverError):
        driver.wake(1)

    assert provider.times("/elsewhere") == 0


def test_no_proxy_variable_is_read(driver, provider: ScriptedProvider, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    driver.wake(1)

    assert provider.word == "running"


@pytest.mark.parametrize(("bills", "found"), [(None, None), (7.2, 8), ("many", None), (-1, None), (True, 1)])
def test_the_providers_own_bill_counts_where_it_has_one(  # type: ignore[no-untyped-def]
    driver, provider: ScriptedProvider, bills: object, found: int | None
) -> None:
    provider.bills = bills  # type: ignore[assignment]

    assert driver.billed_seconds(datetime.datetime.now(datetime.UTC)) == found


def test_our_own_server_refuses_an_older_fence(provider: ScriptedProvider, settings) -> None:  # type: ignore[no-untyped-def]
    for name, value in provider.settings("on_demand").items():
        setattr(settings, name, value)
    mine = drivers.driver()
    mine.sleep(5)

    with pytest.raises(Fenced):
        mine.wake(4)

    assert provider.word == "stopped"


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_wake_address_that_answers_not_yet_has_been_heard(  # type: ignore[no-untyped-def]
    provider: ScriptedProvider, settings, status: int
) -> None:
    for name, value in provider.settings("wake_url").items():
        setattr(settings, name, value)
    provider.status = status

    drivers.driver().wake(1)

    assert provider.times("/start") == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_wake_address_is_asked_as_its_provider_wants(  # type: ignore[no-untyped-def]
    provider: ScriptedProvider, settings, method: str
) -> None:
    for name, value in {**provider.settings("wake_url"), "LLM_GPU_WAKE_METHOD": method}.items():
        setattr(settings, name, value)

    drivers.driver().wake(1)

    assert provider.requests == [(method, "/start")]


def test_a_call_is_given_up_after_its_time(provider: ScriptedProvider) -> None:
    provider.hangs_s = 2.0
    began = time.monotonic()

    with pytest.raises(http.TookTooLong):
        http.call("POST", f"{provider.url}/start", token=TOKEN, body={}, timeout_s=0.3)

    assert time.monotonic() - began < 1.5
