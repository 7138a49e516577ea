"""A person's own pages: in their language, without script, and the strong ones only after a fresh proof."""

import datetime
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as site_settings
from django.test import Client
from django.utils import timezone

from accounts import export
from accounts.models import AccountClosure, DataExport, User, UserSession
from compliance.models import AuditEntry
from tests.accounts.clients import signed_in

pytestmark = pytest.mark.django_db
PAGES = ["", "profile/", "sessions/", "consents/", "export/", "erase/"]
OLD_S = 31 * 60


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.EXPORT_DIR = tmp_path / "exports"
    return tmp_path / "exports"


@pytest.fixture
def alice() -> User:
    return User.objects.create_user("alice@example.org")


@pytest.fixture
def browser(alice: User) -> Client:
    return signed_in(alice)


@pytest.mark.parametrize("path", PAGES)
def test_every_page_opens_and_is_never_cached(browser: Client, path: str) -> None:
    response = browser.get(f"/account/{path}")

    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]
    assert b"style=" not in response.content and b"<script" not in response.content


@pytest.mark.parametrize("path", PAGES)
def test_who_is_not_signed_in_is_sent_to_sign_in(client: Client, path: str) -> None:
    response = client.get(f"/account/{path}")

    assert response.status_code == 302
    assert response.headers["Location"].startswith(str(site_settings.LOGIN_URL)[:10]) or "enter" in response["Location"]


def test_pages_are_in_the_language_the_person_chose(alice: User, browser: Client) -> None:
    User.objects.update(language="fr")

    page = browser.get("/account/", headers={"Accept-Language": "en"}).content.decode()

    assert '<html lang="fr"' in page


def test_the_language_is_changed_where_one_is_and_written_down(alice: User, browser: Client) -> None:
    response = browser.post("/account/language/", {"language": "fr", "next": "/account/sessions/"})

    assert response["Location"] == "/account/sessions/"
    alice.refresh_from_db()
    assert alice.language == "fr"
    entry = AuditEntry.objects.get()
    assert entry.action == "profile.changed"
    assert entry.changes == {"before": {"language": "en"}, "after": {"language": "fr"}}


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", ""])
def test_the_way_back_never_leads_elsewhere(browser: Client, elsewhere: str) -> None:
    response = browser.post("/account/language/", {"language": "fr", "next": elsewhere})

    assert response["Location"] == "/account/profile/"


def test_a_language_the_site_does_not_have_is_refused(alice: User, browser: Client) -> None:
    assert browser.post("/account/language/", {"language": "xx"}).status_code == 400

    alice.refresh_from_db()
    assert alice.language == "en"


def test_sessions_are_listed_with_a_name_and_ended_by_a_button(alice: User, browser: Client) -> None:
    other = signed_in(alice)
    page = browser.get("/account/sessions/").content.decode()
    assert page.count("Firefox · Linux") >= 2 and "this one" in page

    ended = UserSession.objects.get(session_key=other.session.session_key)
    browser.post(f"/account/sessions/{ended.public_id}/end/")

    assert other.get("/account/").status_code == 302 and browser.get("/account/").status_code == 200


def test_ending_ones_own_session_signs_out(alice: User, browser: Client) -> None:
    own = UserSession.objects.get()

    browser.post(f"/account/sessions/{own.public_id}/end/")

    assert browser.get("/account/").status_code == 302


def test_all_others_are_ended_with_one_button(alice: User, browser: Client) -> None:
    others = [signed_in(alice) for _number in range(2)]

    browser.post("/account/sessions/end-others/")

    assert [other.get("/account/").status_code for other in others] == [302, 302]
    assert browser.get("/account/").status_code == 200


def test_consents_show_an_unticked_box_and_afterwards_what_was_said(browser: Client) -> None:
    page = browser.get("/account/consents/").content.decode()
    assert 'type="checkbox"' in page and "checked" not in page and "Nothing yet." in page

    browser.post("/account/consent/keep-chats/give/", {"next": "/account/consents/", "language": "en"})
    assert "account-tick" in browser.get("/account/consents/").content.decode(), "nothing is given without the tick"
    browser.post("/account/consent/keep-chats/give/", {"next": "/account/consents/", "language": "en", "agreed": "yes"})
    page = browser.get("/account/consents/").content.decode()
    assert "Withdraw" in page and 'action="/account/consent/keep-chats/give/"' not in page

    browser.post("/account/consent/keep-chats/withdraw/", {"next": "/account/consents/"})
    page = browser.get("/account/consents/").content.decode()
    assert 'action="/account/consent/keep-chats/give/"' in page and "withdrawn" in page and "given" in page


@pytest.mark.parametrize("path", ["export/", "erase/"])
def test_strong_pages_ask_for_a_fresh_proof(alice: User, path: str) -> None:
    stale = signed_in(alice, age_s=OLD_S)

    response = stale.get(f"/account/{path}")

    assert response.status_code == 302 and response["Location"].startswith("/accounts/proof/")


@pytest.mark.parametrize("path", ["export/request/", "erase/"])
def test_strong_acts_do_nothing_without_a_fresh_proof(alice: User, path: str) -> None:
    stale = signed_in(alice, age_s=OLD_S)

    response = stale.post(f"/account/{path}", {"understood": "yes"})

    assert response.status_code == 302 and response["Location"].startswith("/accounts/proof/")
    assert not DataExport.objects.exists() and not AccountClosure.objects.exists()


def test_an_export_is_asked_for_made_and_fetched_once(alice: User, browser: Client) -> None:
    browser.post("/account/export/request/")
    assert "is being made" in browser.get("/account/export/").content.decode()
    made = DataExport.objects.get()
    export.make(made.pk)
    page = browser.get("/account/export/").content.decode()
    assert "Your export is ready" in page

    token = export.link_token(made)
    link = browser.get(f"/account/export/{token}/")
    file = browser.post(f"/account/export/{token}/fetch/")

    assert link.status_code == 200
    assert file["Content-Type"] == "application/zip" and file.content[:2] == b"PK"
    assert "attachment" in file["Content-Disposition"] and "no-store" in file["Cache-Control"]
    assert browser.get(f"/account/export/{token}/").status_code == 410
    assert browser.post(f"/account/export/{token}/fetch/").status_code == 410


def test_the_link_of_somebody_else_and_a_forged_one_open_nothing(alice: User) -> None:
    made = export.request(alice)
    export.make(made.pk)
    bob = signed_in(User.objects.create_user("bob@example.org"))
    token = export.link_token(made)

    assert bob.get(f"/account/export/{token}/").status_code == 404
    assert bob.post(f"/account/export/{token}/fetch/").status_code == 404
    assert bob.get("/account/export/forged/").status_code == 410
    made.refresh_from_db()
    assert made.state == DataExport.State.READY


def test_a_failed_export_is_owned_up_to(alice: User, browser: Client) -> None:
    export.request(alice)
    DataExport.objects.update(state="failed", requested_at=timezone.now() - datetime.timedelta(hours=1))

    assert "could not be made" in browser.get("/account/export/").content.decode()


def test_erasing_needs_the_box_and_then_locks_at_once(alice: User, browser: Client) -> None:
    unticked = browser.post("/account/erase/")
    assert unticked.status_code == 400 and not AccountClosure.objects.exists()

    response = browser.post("/account/erase/", {"understood": "yes"}, follow=True)

    assert "Your account is being erased." in response.content.decode()
    alice.refresh_from_db()
    assert not alice.is_active and AccountClosure.objects.get().subject == alice.public_id
    assert browser.get("/account/").status_code == 302


def test_the_erase_page_names_what_stays(browser: Client) -> None:
    page = browser.get("/account/erase/").content.decode()

    for words in ("random id", "audit log", "backups"):
        assert words in page
