"""Errors: a page in the reader's language that says what to do next, JSON for machines, and no way to fail twice."""

import json
import re
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client
from django.urls import path
from django.utils import translation

from accounts.models import User
from chat import limits
from compliance.addresses import address_name
from siteproject import errors, urls
from siteproject.body import limit_body
from tests.signed_in import sign_in_as_staff

LANGUAGES = ["en", "fr"]
HOME = {"en": "/", "fr": "/fr/"}


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("the question was: what is a quota?")


def database_away(request: HttpRequest) -> HttpResponse:
    raise OperationalError


def closed(request: HttpRequest) -> HttpResponse:
    raise PermissionDenied


urlpatterns = [
    *(
        path(f"{place}{name}/", view)
        for place in ("", "fr/", "live/fr/", "api/", "admin/")
        for name, view in (("broken", broken), ("away", database_away), ("closed", closed))
    ),
    *urls.urlpatterns,
]
handler400, handler403 = urls.handler400, urls.handler403
handler404, handler500 = urls.handler404, urls.handler500

with_broken_pages = pytest.mark.urls(__name__)


@pytest.fixture
def visitor() -> Client:
    """A visitor who, like any browser, gets a page where a test client would get the exception."""
    return Client(raise_request_exception=False)


def assert_tells(response: Any, status: int, language: str, words: errors.Words | None = None) -> None:
    """Fail unless the response is the page for ``status`` in ``language``, with what to do next and a way home."""
    assert_page(response.content.decode(), status, language, words)
    assert response.status_code == status
    assert response["Content-Type"].startswith("text/html")
    assert response["Content-Language"] == language


def assert_page(html: str, status: int, language: str, words: errors.Words | None = None) -> None:
    words = words or errors.WORDS[status]
    with translation.override(language):
        title, message = str(words.title), str(words.message)
    assert f'<html lang="{language}"' in html
    assert title in html and message in html and str(status) in html
    main = html[html.index("<main") : html.index("</main>")]
    assert re.search(rf'<a [^>]*href="{HOME[language]}"', main)
    assert 'name="robots" content="noindex"' in html


def assert_machine_reads(response: Any, status: int, code: str) -> None:
    assert response.status_code == status
    error = response.json()["error"]
    assert error["code"] == code and error["message"] and error["request_id"] == response["X-Request-Id"]


@pytest.mark.parametrize("status", errors.WORDS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_error_has_a_page_that_can_be_made_without_a_request(status: int, language: str) -> None:
    assert_page(errors.error_page(status, language), status, language)


@pytest.mark.parametrize(
    ("address", "browser", "language"),
    [
        ("/nowhere/", "fr", "en"),
        ("/fr/nulle-part/", "en", "fr"),
        ("/fr", "en", "fr"),
        ("/live/fr/nowhere/", "en", "fr"),
        ("/live/en/nowhere/", "fr", "en"),
        ("/live/xx/nowhere/", "fr", "en"),
        ("/admin/nowhere/", "fr-CA,fr;q=0.9,en;q=0.1", "fr"),
        ("/accounts/nowhere/", "en", "en"),
        ("/accounts/nowhere/", "de", "en"),
        ("/french/", "fr", "en"),
        ("/administration/", "fr", "en"),
    ],
)
def test_the_address_gives_the_language_and_the_browser_does_where_the_address_has_none(
    address: str, browser: str, language: str
) -> None:
    assert errors.language_of(address, browser) == language


@pytest.mark.parametrize(("address", "language"), [("/nowhere/", "en"), ("/fr/nulle-part/", "fr")])
def test_an_address_without_a_page_is_a_404(visitor: Client, address: str, language: str) -> None:
    response = visitor.get(address)

    assert_tells(response, 404, language)
    assert response["X-Request-Id"] in response.content.decode()


def test_a_404_outside_the_languages_speaks_the_browsers(visitor: Client) -> None:
    response = visitor.get("/accounts/nowhere/", headers={"accept-language": "fr"})

    assert_tells(response, 404, "fr")
    assert "Accept-Language" in response["Vary"]


@pytest.mark.parametrize(("address", "language"), [("/", "en"), ("/fr/", "fr"), ("/live/fr/chat/", "fr")])
def test_a_host_that_is_not_ours_is_a_400(visitor: Client, address: str, language: str) -> None:
    assert_tells(visitor.get(address, headers={"host": "elsewhere.example"}), 400, language)


@with_broken_pages
@pytest.mark.parametrize(("address", "language"), [("/closed/", "en"), ("/fr/closed/", "fr")])
def test_a_page_for_others_is_a_403(visitor: Client, address: str, language: str) -> None:
    assert_tells(visitor.get(address), 403, language)


@pytest.mark.django_db
@pytest.mark.parametrize("language", LANGUAGES)
def test_staff_without_the_permission_get_a_403_in_the_language_of_their_browser(
    visitor: Client, language: str
) -> None:
    sign_in_as_staff(visitor, User.objects.create_user("erin@example.org", is_staff=True))

    response = visitor.get("/admin/inference/model/", headers={"accept-language": language})

    assert_tells(response, 403, language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_form_without_its_token_is_a_403_that_tells_to_reload_it(language: str) -> None:
    strict = Client(enforce_csrf_checks=True)

    response = strict.post("/accounts/staff/no-such-link/", headers={"accept-language": language})

    assert_tells(response, 403, language, errors.CSRF)


@with_broken_pages
@pytest.mark.parametrize(
    ("address", "language"), [("/broken/", "en"), ("/fr/broken/", "fr"), ("/live/fr/broken/", "fr")]
)
def test_a_fault_of_ours_is_a_500_that_repeats_nothing(visitor: Client, address: str, language: str) -> None:
    response = visitor.get(address)

    assert_tells(response, 500, language)
    assert "quota" not in response.content.decode()


@with_broken_pages
@pytest.mark.parametrize("template", ["{% no_such_tag %}", "{% extends 'missing.html' %}", "{{ 1|no_such_filter }}"])
def test_a_broken_error_page_is_still_a_page_with_a_way_home(
    visitor: Client, settings: LazySettings, tmp_path: Path, template: str
) -> None:
    (tmp_path / "error.html").write_text(template)
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]

    for address in ("/broken/", "/nowhere/"):
        response = visitor.get(address)

        assert response.status_code == 500
        assert "Something broke on our side." in response.content.decode()
        assert '<a href="/">' in response.content.decode()


@with_broken_pages
@pytest.mark.parametrize(("address", "language"), [("/away/", "en"), ("/fr/away/", "fr"), ("/live/fr/away/", "fr")])
def test_a_store_that_is_away_is_a_503_that_says_when_to_come_back(
    visitor: Client, address: str, language: str
) -> None:
    response = visitor.get(address)

    assert_tells(response, 503, language)
    assert int(response["Retry-After"]) > 0


@with_broken_pages
def test_machines_get_json_whatever_language_their_user_speaks(visitor: Client) -> None:
    browser = {"accept": "text/html", "accept-language": "fr"}

    assert_machine_reads(visitor.get("/api/nowhere", headers=browser), 404, "not_found")
    assert_machine_reads(visitor.get("/api/closed/", headers=browser), 403, "forbidden")
    assert_machine_reads(visitor.get("/api/broken/", headers=browser), 500, "error")
    away = visitor.get("/api/away/", headers=browser)
    assert_machine_reads(away, 503, "unavailable")
    assert away.json()["error"]["retry_after_s"] == int(away["Retry-After"]) > 0
    refused = visitor.get("/api/me", headers={**browser, "host": "elsewhere.example"})
    assert_machine_reads(refused, 400, "invalid")


@pytest.mark.parametrize(
    ("address", "browser", "language"),
    [("/live/fr/chat/", "en", "fr"), ("/live/en/chat/", "fr", "en"), ("/accounts/staff/x/", "fr", "fr")],
)
async def test_too_large_a_form_is_a_413_page_for_a_browser(address: str, browser: str, language: str) -> None:
    start, body = await too_large(address, accept="text/html,application/xhtml+xml", accept_language=browser)

    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    assert start["status"] == 413
    assert headers["content-type"] == "text/html; charset=utf-8" and headers["connection"] == "close"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff" and "camera=()" in headers["permissions-policy"]
    assert_page(body.decode(), 413, language)


@pytest.mark.parametrize(
    ("address", "accept"), [("/api/chat", "text/html"), ("/live/fr/chat/", "*/*"), ("/v1/chat/completions", "")]
)
async def test_too_large_a_request_of_a_machine_is_a_413_in_json(address: str, accept: str) -> None:
    start, body = await too_large(address, accept=accept)

    assert start["status"] == 413
    assert json.loads(body)["error"]["code"] == "too_large"


async def too_large(address: str, **headers: str) -> tuple[dict[str, Any], bytes]:
    """Send too much to ``address`` and return the start and the body of the answer."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        raise AssertionError("nothing of it is read")

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def application(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("it never gets there")

    pairs = {"content_length": "1001", **headers}.items()
    scope = {
        "type": "http",
        "path": address,
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in pairs],
    }
    await limit_body(application, max_bytes=lambda: 1000)(scope, receive, send)
    return sent[0], sent[1]["body"]


@pytest.mark.parametrize("language", LANGUAGES)
async def test_one_question_too_many_in_the_plain_form_is_a_429_that_keeps_the_question(
    async_client: AsyncClient, settings: LazySettings, language: str
) -> None:
    settings.CHAT_RATE_LIMIT = "1/15m"
    settings.TRUSTED_PROXY_COUNT = 1
    address = f"2001:db8:{uuid.uuid4().hex[:4]}:{uuid.uuid4().hex[:4]}::1"
    await limits.take(f"address:{address_name(address)}", settings.CHAT_RATE_LIMIT)

    response = await async_client.post(
        f"/live/{language}/chat/", {"question": "What is a quota?"}, headers={"x-forwarded-for": address}
    )

    html = response.content.decode()
    assert response.status_code == 429 and response["Content-Language"] == language
    assert 0 < int(response["Retry-After"]) <= 15 * 60
    assert f'<html lang="{language}"' in html and "What is a quota?" in html
    assert {"en": "many questions in a short time", "fr": "beaucoup de questions"}[language] in html
    assert "15 minutes" in html and f'href="{HOME[language]}"' in html
