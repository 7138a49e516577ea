"""What every response carries, and what the application says about itself."""

import json

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client, RequestFactory
from django.urls import reverse

from accounts.models import User
from inference.models import Backend, Model
from siteproject.middleware import NOT_FOR_FILES, LeanFilesMiddleware

PAGES = [
    "/",
    "/fr/",
    "/chat/",
    "/fr/chat/",
    "/blog/",
    "/fr/blog/",
    "/knowledge/",
    "/fr/knowledge/",
    "/frugality/",
    "/imprint/",
    "/fr/imprint/",
]


@pytest.mark.parametrize("path", PAGES)
def test_a_public_page_is_served_without_database_and_without_cookie(client: Client, path: str) -> None:
    response = client.get(path)

    assert response.status_code == 200
    assert not response.cookies
    assert f'lang="{"fr" if path.startswith("/fr") else "en"}"' in response.content.decode()


@pytest.mark.parametrize("path", [*PAGES, "/robots.txt", "/blog/feed.xml", "/nowhere/", "/health"])
def test_a_spoilt_cookie_is_not_answered_with_a_new_one_where_nobody_reads_it(path: str) -> None:
    usual, odd = Client(), Client(headers={"cookie": "csrf=x; session=x"})

    theirs = odd.get(path)

    assert not theirs.cookies
    for name in ("Cache-Control", "Vary"):
        assert theirs.headers.get(name) == usual.get(path).headers.get(name), name


@pytest.mark.parametrize("path", ["/api/facts", "/api/status", "/live/en/chat/", "/api/nothing"])
@pytest.mark.django_db
def test_a_form_token_goes_out_only_where_there_is_a_form(path: str) -> None:
    assert not Client(headers={"cookie": "csrf=x"}).get(path).cookies


@pytest.mark.parametrize("cookie", ["csrf=x", "session=x", "csrf=x; session=x"])
@pytest.mark.parametrize("path", ["/api/facts", "/api/me", "/accounts/staff/x/", "/admin/", "/admin/login/", "/"])
@pytest.mark.django_db
def test_an_answer_that_carries_a_cookie_is_kept_by_nobody(path: str, cookie: str) -> None:
    answer = Client(headers={"cookie": cookie}).get(path)

    assert bool(answer.cookies) == (path != "/" and (path, cookie) != ("/api/facts", "csrf=x"))
    if answer.cookies:
        assert answer.headers["Cache-Control"] == "private, no-store"


@pytest.mark.django_db
def test_somebody_signed_in_still_gets_a_token_to_send_forms_with(client: Client, dana: User) -> None:
    client.force_login(dana)

    answer = client.get("/api/me")

    assert answer.json()["csrf_token"] and "csrf" in answer.cookies
    assert answer.headers["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize("path", [*PAGES, "/health", "/api/me", "/nowhere/", "/live/en/chat/"])
def test_every_answer_is_strict_about_what_a_browser_may_do(client: Client, path: str) -> None:
    headers = client.get(path).headers

    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "base-uri 'none'" in policy
    assert "unsafe" not in policy and "data:" not in policy and "nonce" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "strict-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]
    assert len(headers["X-Request-Id"]) == 32


@pytest.mark.parametrize(("caching", "kept"), [("max-age=315360000, public, immutable", False), ("no-store", True)])
async def test_a_file_whose_name_holds_its_digest_leaves_out_what_only_a_page_needs(caching: str, kept: bool) -> None:
    async def handler(request: HttpRequest) -> HttpResponse:
        headers = {"Cache-Control": caching, "Referrer-Policy": "strict-origin"} | dict.fromkeys(NOT_FOR_FILES, "x")
        return HttpResponse(headers=headers)

    response = await LeanFilesMiddleware(handler)(RequestFactory().get("/static/css/base.39bae3bfcc96.css"))

    assert [name in response for name in NOT_FOR_FILES] == [kept] * len(NOT_FOR_FILES)
    assert "Referrer-Policy" in response


def test_health_says_ok_and_nothing_else(client: Client) -> None:
    response = client.get("/health")

    assert response.json() == {"status": "ok"}
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.django_db(transaction=True)
async def test_status_names_models_and_no_address_or_key(async_client: AsyncClient, settings) -> None:  # type: ignore[no-untyped-def]
    settings.LLM_CPU = {**settings.LLM_CPU, "url": "http://127.0.0.1:5999", "key": "k-secret"}
    from inference.registry import snapshot

    snapshot.forget()
    response = await async_client.get("/api/status")
    snapshot.forget()

    body = response.content.decode()
    assert json.loads(body)["models"][0]["id"] == "wagmi-small"
    assert "5999" not in body and "k-secret" not in body and "127.0.0.1" not in body


def test_a_visitor_is_nobody_and_gets_no_cookie(client: Client) -> None:
    response = client.get("/api/me")

    assert response.json() == {"signed_in": False, "language": "en", "csrf_token": None}
    assert not response.cookies


@pytest.mark.parametrize(("path", "status"), [("/api/nothing", 404), ("/nowhere/", 404), ("/fr/nulle-part/", 404)])
def test_an_unknown_address_is_said_in_the_askers_own_shape(client: Client, path: str, status: int) -> None:
    response = client.get(path)

    assert response.status_code == status
    if path.startswith("/api"):
        assert response.json()["error"]["code"] == "not_found"
    else:
        assert b"<html" in response.content


def test_the_ai_notice_stands_before_the_question_and_is_tied_to_it(client: Client) -> None:
    for path, words in (("/", "an AI"), ("/fr/", "une IA"), ("/chat/", "an AI"), ("/live/en/chat/", "an AI")):
        html = client.get(path).content.decode()
        textarea = html[html.index("<textarea") :].split(">")[0]
        notice = textarea.split('aria-describedby="')[1].split('"')[0].split()[0]

        assert html.index(f'id="{notice}"') < html.index("<textarea")
        assert words in html[html.index(f'id="{notice}"') : html.index("<textarea")]


def test_machine_files_are_made_from_the_documents(client: Client) -> None:
    llms, ai = client.get("/llms.txt").content.decode(), client.get("/ai.txt").content.decode()

    assert llms.startswith("# Wagmi") and "http://localhost:8000/knowledge/" in llms and "/fr/knowledge/" in llms
    assert "Source: http://localhost:8000/knowledge/" in ai


def test_the_admin_switches_a_model_and_shows_its_backend(staff_client: Client) -> None:
    model = Model.objects.create(
        public_id="m", name="n", tier="small", hardware="cpu", context_tokens=10, max_output_tokens=5
    )
    backend = Backend.objects.create(name="b", model=model, runtime="llamacpp", url="http://127.0.0.1:1")

    data = {"action": "switch_off", "_selected_action": [str(backend.pk)]}
    response = staff_client.post(reverse("admin:inference_backend_changelist"), data, follow=True)

    assert "1 row changed" in response.content.decode()
    backend.refresh_from_db()
    assert not backend.enabled
    page = staff_client.get(reverse("admin:inference_backend_change", args=[backend.pk])).content.decode()
    assert 'name="url"' not in page and "http://127.0.0.1:1" in page
    assert staff_client.get(reverse("admin:inference_model_changelist")).status_code == 200


def test_stored_text_is_nowhere_in_the_admin(staff_client: Client) -> None:
    index = staff_client.get("/admin/").content.decode().casefold()

    assert "chat/conversation" not in index and "chat/message" not in index
    for model in ("conversation", "message"):
        assert staff_client.get(f"/admin/chat/{model}/").status_code == 404
