"""The export: one file with everything, made once, given out once, to one person, and gone after a day."""

import base64
import datetime
import hashlib
import io
import json
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from accounts import access, export, tasks
from accounts.errors import ExportGone, ExportRefused
from accounts.models import MAX_TRIES, DataExport, QueuedMail, User
from compliance import chain, consents
from compliance.models import AuditEntry, ConsentEvent, Purpose

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> User:
    return User.objects.create_user("alice@example.org")


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.EXPORT_DIR = tmp_path / "exports"
    return tmp_path / "exports"


@pytest.fixture
def spare_part() -> Iterator[None]:
    """Whatever a test registers is gone after it."""
    before = dict(export._parts)
    yield
    export._parts.clear()
    export._parts.update(before)


def make(user: User) -> DataExport:
    asked = export.request(user)
    assert export.make(asked.pk)
    asked.refresh_from_db()
    return asked


def opened(content: bytes) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(content))


def again(asked: DataExport) -> None:
    """Let the lease run out."""
    DataExport.objects.filter(pk=asked.pk).update(due_at=timezone.now() - datetime.timedelta(seconds=1))


def test_it_holds_profile_consents_sessions_mail_and_audit_as_json(alice: User) -> None:
    notice = consents.Notice("2026-11-21", "0" * 64, "Keep my chats for 7 days", "en")
    consents.record(alice.public_id, Purpose.KEEP_CHATS, ConsentEvent.Action.GIVEN, notice, channel="account")

    file = opened(export.fetch(make(alice)))

    profile = json.loads(file.read("profile.json"))
    assert profile["email"] == "alice@example.org" and profile["id"] == str(alice.public_id)
    (consent,) = json.loads(file.read("consents.json"))
    assert consent["wording"] == "Keep my chats for 7 days" and consent["action"] == "given"
    actions = [entry["action"] for entry in json.loads(file.read("audit.json"))]
    assert actions == ["consent.given", "export.requested"]
    assert {"sessions.json", "mail.json", "exports.json", "index.html"} <= set(file.namelist())


def test_the_page_to_read_is_in_the_persons_language_and_loads_nothing(alice: User, spare_part: None) -> None:
    User.objects.update(language="fr")
    alice.refresh_from_db()
    export.part("notes", lambda user: [{"text": "<script>alert(1)</script>"}], labels={"text": "Text"})

    page = opened(export.fetch(make(alice))).read("index.html").decode()

    assert '<html lang="fr" dir="ltr">' in page and "alice@example.org" in page
    assert "<script" not in page and "&lt;script&gt;" in page
    assert "http" not in page.replace("http-equiv", "") and "src=" not in page.replace("-src", "")


def test_an_app_adds_its_part_by_name(alice: User, spare_part: None) -> None:
    export.part("ledger", lambda user: [{"person": user.public_id, "seconds": 12}])

    file = opened(export.fetch(make(alice)))

    assert json.loads(file.read("ledger.json")) == [{"person": str(alice.public_id), "seconds": 12}]


def test_the_file_is_closed_to_others(alice: User, folder: Path) -> None:
    made = make(alice)

    assert stat.S_IMODE(export.path_of(made.public_id).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_it_is_given_out_once_and_then_gone(alice: User, folder: Path) -> None:
    made = make(alice)

    export.fetch(made)

    with pytest.raises(ExportGone):
        export.fetch(made)
    assert not list(folder.iterdir())
    actions = AuditEntry.objects.order_by("number").values_list("action", flat=True)
    assert list(actions) == ["export.requested", "export.ready", "export.fetched"]
    assert chain.first_break(AuditEntry) is None


def test_nobody_else_gets_it(alice: User) -> None:
    from django.http import Http404

    bob = User.objects.create_user("bob@example.org")
    made = make(alice)

    assert access.export_for(alice, made.public_id) == made
    with pytest.raises(Http404):
        access.export_for(bob, made.public_id)


def test_a_link_is_signed(alice: User) -> None:
    made = make(alice)
    token = export.link_token(made)

    assert export.public_id_of(token) == made.public_id
    with pytest.raises(ExportGone):
        export.public_id_of(token[:-1] + ("A" if token[-1] != "A" else "B"))


def test_it_expires_after_a_day_by_the_clock_of_the_database(alice: User, folder: Path) -> None:
    made = make(alice)
    assert made.expires_at is not None and made.ready_at is not None
    assert (made.expires_at - made.ready_at).total_seconds() == pytest.approx(86_400, abs=1)
    DataExport.objects.update(expires_at=timezone.now() - datetime.timedelta(seconds=1))

    with pytest.raises(ExportGone):
        export.fetch(made)
    assert export.current(alice) is None
    tasks.sweep()

    made.refresh_from_db()
    assert made.state == DataExport.State.EXPIRED and not list(folder.iterdir())


def test_asking_twice_gives_the_same_export_and_after_fetching_another(alice: User) -> None:
    first = make(alice)
    assert export.request(alice) == first

    export.fetch(first)

    assert export.request(alice) != first


def test_an_export_that_expired_unnoticed_does_not_block_the_next(alice: User) -> None:
    first = make(alice)
    DataExport.objects.update(expires_at=timezone.now() - datetime.timedelta(seconds=1))

    assert export.request(alice) != first


def test_there_is_an_end_to_asking(alice: User) -> None:
    for _number in range(export.MOST_A_DAY):
        export.fetch(make(alice))

    with pytest.raises(ExportRefused):
        export.request(alice)


def test_a_mail_is_queued_when_it_is_ready(alice: User) -> None:
    made = make(alice)

    queued = QueuedMail.objects.get()
    assert (queued.template, queued.object_id) == ("export-ready", str(made.public_id))


def test_two_workers_leave_one_file_and_one_mail(alice: User, folder: Path) -> None:
    asked = export.request(alice)

    assert [export.make(asked.pk), export.make(asked.pk)] == [True, False]

    assert len(list(folder.iterdir())) == 1 and QueuedMail.objects.count() == 1


def test_work_that_broke_off_is_done_again_when_its_lease_is_over(alice: User, spare_part: None) -> None:
    asked = export.request(alice)
    breaking = [True]

    def breaks_once(user: User) -> list[str]:
        if breaking and breaking.pop():
            raise KeyboardInterrupt
        return []

    export.part("breaks", breaks_once)
    with pytest.raises(KeyboardInterrupt):
        export.make(asked.pk)
    assert not export.make(asked.pk)

    again(asked)

    assert export.make(asked.pk)
    asked.refresh_from_db()
    assert (asked.state, asked.tries) == ("ready", 2)


def test_after_three_tries_it_has_failed_and_one_may_ask_again(alice: User, spare_part: None) -> None:
    def breaks(user: User) -> list[str]:
        raise RuntimeError

    export.part("breaks", breaks)
    asked = export.request(alice)
    for _try in range(MAX_TRIES):
        again(asked)
        with pytest.raises(RuntimeError):
            export.make(asked.pk)
    again(asked)

    tasks.sweep()

    asked.refresh_from_db()
    assert asked.state == DataExport.State.FAILED
    assert export.request(alice) != asked


def test_what_a_killed_worker_left_behind_is_cleared_away(alice: User, folder: Path) -> None:
    import os

    made = make(alice)
    orphan, draft = folder / f"{alice.public_id}.zip", folder / f"{alice.public_id}.0123"
    for path in (orphan, draft):
        path.write_bytes(b"x")
    os.utime(draft, (0, 0))

    export.expire()

    assert list(folder.iterdir()) == [export.path_of(made.public_id)]


def test_the_page_lets_its_own_style_pass_and_nothing_else(alice: User) -> None:
    with zipfile.ZipFile(io.BytesIO(export.archive(alice))) as file:
        page = file.read("index.html").decode()

    style = page.split("<style>")[1].split("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'\"" in page and "ol > li" in style
