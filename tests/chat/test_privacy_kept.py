"""Text that somebody agreed to have kept: in its two tables as long as it is kept, and then nowhere."""

import re
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.chat.canary import (
    ANSWERABLE,
    KEPT_S,
    SWEEP_S,
    assert_nowhere,
    chat_keys,
    in_files,
    in_redis,
    in_tables,
    new_canary,
    watched_site,
)
from tests.live import Site, ask, events_of, text_of, wait_for

pytestmark = pytest.mark.slow
EXPORT = """
from accounts import export
from accounts.models import User
made = export.request(User.objects.get(email="%s"))
print(export.make(made.pk), export.path_of(made.public_id))
"""
CLOSE = """
from django.db import transaction
from accounts.models import User
from accounts.signals import account_closing
with transaction.atomic():
    person = User.objects.get(email="%s")
    account_closing.send(sender=User, user=person)
    person.delete()
"""


@pytest.fixture(scope="module")
def temporary() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="wagmi-canary-") as path:
        yield Path(path)


@pytest.fixture(scope="module")
def site(temporary: Path) -> Iterator[Site]:
    with watched_site(temporary) as site:
        yield site


def consenting(site: Site, address: str) -> httpx.Client:
    """Return a client that is signed in as a new person who agreed to have their chats kept."""
    session = site.sign_in(address, consenting=(address,))[address]
    return httpx.Client(base_url=site.url, cookies={"session": session}, headers={"Origin": site.url}, timeout=60)


def kept(client: httpx.Client, canary: str) -> str:
    """Ask with the canary, name the conversation after it, and return where it is kept."""
    done = events_of(client.post("/api/chat", json=ask(f"{ANSWERABLE} {canary}")).text)[-1]
    assert done["type"] == "done" and done["kept_until"], done
    page = f"/account/conversations/{done['conversation']}/"
    title = {"title": f"About {canary}", "csrfmiddlewaretoken": token(client, page)}
    assert client.post(f"{page}rename/", data=title).status_code == 302
    assert canary in client.get(page).text and canary in client.get("/account/conversations/").text
    return page


def token(client: httpx.Client, page: str) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', client.get(page).text)
    assert found is not None
    return found.group(1)


def in_other_files(site: Site, temporary: Path, canary: str) -> list[str]:
    """Return where the canary is, but for PostgreSQL's own files: what it deletes stays in its pages until they are
    used again, and in its write-ahead log, which is what the privacy page says."""
    found = in_files([site.folder.path, temporary], canary)
    return [path for path in found if not Path(path).is_relative_to(site.postgres.data)]


def assert_gone(site: Site, temporary: Path, canary: str) -> None:
    """The canary is in no row, no key of Redis and no file, exports among them."""
    wait_for(lambda: in_tables(site, canary) == [], SWEEP_S + 10, site.log("worker"))
    wait_for(lambda: in_redis(site, canary) == [], KEPT_S + 5)
    assert in_other_files(site, temporary, canary) == []


def test_kept_text_is_in_its_two_tables_and_nowhere_else(site: Site, temporary: Path) -> None:
    canary = new_canary()
    kept(consenting(site, "kept@example.org"), canary)

    wait_for(lambda: not chat_keys(site), KEPT_S + 5)

    assert in_tables(site, canary) == ["public.chat_conversation", "public.chat_message"]
    assert in_redis(site, canary) == []
    assert in_other_files(site, temporary, canary) == []


@pytest.mark.parametrize("end", ["expired", "withdrawn", "deleted", "erased"])
def test_kept_text_is_nowhere_when_its_time_is_up(site: Site, temporary: Path, end: str) -> None:
    canary, address = new_canary(), f"{end}@example.org"
    client = consenting(site, address)
    page = kept(client, canary)
    made, path = site.manage("shell", "-v", "0", "-c", EXPORT % address).split()
    assert made == "True" and canary in zipped(Path(path))

    match end:
        case "expired":
            for table in ("chat_message", "chat_conversation"):
                site.postgres.sql(f"UPDATE {table} SET expires_at = now()", database="wagmi")
        case "withdrawn":
            data = {"csrfmiddlewaretoken": token(client, page)}
            assert client.post("/account/consent/keep-chats/withdraw/", data=data).status_code == 302
        case "deleted":
            data = {"csrfmiddlewaretoken": token(client, page)}
            assert client.post(f"{page}delete/", data=data).status_code == 302
        case "erased":
            site.manage("shell", "-v", "0", "-c", CLOSE % address)

    assert client.get(page).status_code in (302, 404), "invisible at once"
    assert_gone(site, temporary, canary)
    wait_for(lambda: not Path(path).exists(), SWEEP_S + 5)


def zipped(path: Path) -> str:
    """Return all that the files of an export say: a search of its bytes would find nothing."""
    with zipfile.ZipFile(path) as file:
        return "".join(file.read(name).decode() for name in file.namelist())


def test_who_has_not_agreed_leaves_nothing_though_signed_in(site: Site, temporary: Path) -> None:
    canary, since = new_canary(), time.time() - 5
    client = consenting(site, "refuses@example.org")
    data = {"csrfmiddlewaretoken": token(client, "/account/conversations/")}
    client.post("/account/consent/keep-chats/withdraw/", data=data)

    done = events_of(client.post("/api/chat", json=ask(f"{ANSWERABLE} {canary}")).text)[-1]

    assert done["type"] == "done" and "kept_until" not in done
    wait_for(lambda: not chat_keys(site), KEPT_S + 5)
    assert_nowhere(site, temporary, canary, since=since)


def test_a_flagged_text_is_in_its_one_table_and_then_nowhere_and_its_number_never(site: Site, temporary: Path) -> None:
    canary, headers = new_canary(), {"Origin": site.url}
    question = f"{ANSWERABLE} {canary}"
    events = site.events(question)
    answer = {"text": text_of(events), **{name: events[-1][name] for name in ("receipt", "seal")}}
    draft = {"question": question, "passages": answer["receipt"]["passages"], **answer}
    own = {"reason": "wrong", "words": f"About {canary}.", "train": True}

    made = httpx.post(f"{site.url}/api/flags", json=draft | own, headers=headers, timeout=20)

    assert made.status_code == 201, made.text
    number = made.json()["number"]
    wait_for(lambda: not chat_keys(site), KEPT_S + 5)
    assert in_tables(site, canary) == ["public.chat_flag"]
    assert in_redis(site, canary) == [] and in_other_files(site, temporary, canary) == []

    shown = httpx.post(f"{site.url}/live/en/flags/", data={"number": number}, headers=headers, timeout=20)
    assert shown.status_code == 200 and canary not in shown.text
    site.postgres.sql("UPDATE chat_flag SET expires_at = now()", database="wagmi")

    assert_gone(site, temporary, canary)
    for written in (number, number.replace("-", "")):
        assert in_tables(site, written) == [] and in_redis(site, written) == []
        assert in_files([site.folder.path, temporary], written) == []
    assert site.postgres.sql("SELECT state FROM chat_flag", database="wagmi") == "lapsed"
    site.manage("verify_chain")
