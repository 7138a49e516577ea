"""The evidence for anybody: one file that a program of the standard library checks, and the heads as a feed."""

import asyncio
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import AsyncClient, Client
from lxml import etree

from compliance import chain, evidence, publishing
from compliance.models import EvidenceRecord
from compliance.tasks import check_chains
from siteproject.public import evidence_views
from tests.compliance.conftest import Edit

EVIDENCE = "compliance_evidencerecord"


def verify(folder: Path, content: bytes, *arguments: str) -> tuple[int, str]:
    """Run ``bin/verify-chain`` on a file with ``content``, without any of our packages in its reach."""
    file = folder / "chain.jsonl"
    file.write_bytes(content)
    command = [sys.executable, "-I", "-S", str(settings.BASE_DIR / "bin/verify-chain"), str(file), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=20)
    return done.returncode, (done.stdout + done.stderr).strip()


@pytest.fixture
def content(records: None) -> bytes:
    """Five records as they are published."""
    evidence.record("test", {"z": 1, "ä": "naïve “œuvre” 😀\\\u2028", "a": {"2": [True, None, 10**30, -1], "10": "\t"}})
    evidence.record("test", {})
    return b"".join(publishing.lines())


def test_the_published_chain_is_verified_by_the_standard_library_alone(content: bytes, tmp_path: Path) -> None:
    head = chain.head(EvidenceRecord)

    assert verify(tmp_path, content) == (0, f"5 records, intact, head {head}")
    assert verify(tmp_path, content, "--head", str(head))[0] == 0
    assert verify(tmp_path, b"", "--after", str(head)) == (0, f"0 records, intact, head {head}")


def test_a_file_without_a_record_proves_nothing(tmp_path: Path) -> None:
    """A download that failed leaves one behind."""
    assert verify(tmp_path, b"") == (1, "BROKEN: record 1 is missing: there is nothing in it")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda lines: [*lines[:2], lines[2].replace(b'"count":2', b'"count":3'), *lines[3:]], "record 3 was changed"),
        (lambda lines: [lines[0], *lines[2:]], "record 2 is missing"),
        (lambda lines: [lines[1], lines[0], *lines[2:]], "record 1 is missing"),
        (lambda lines: [lines[0].replace(b'":', b'": ', 1), *lines[1:]], "record 1 is not written as it was recorded"),
        (lambda lines: [*lines[:4], lines[4][:-9]], "record 5 cannot be read"),
        (lambda lines: [*lines[:4], lines[4].replace(b'"number":5', b'"number":5.0')], "record 5 cannot be read"),
        (lambda lines: [*lines[:4], b"[" * 100_000], "record 5 cannot be read"),
        (lambda lines: [*lines[:4], b"[" * 985 + b"]" * 985 + b"\n"], "record 5 is not written as it was recorded"),
        (lambda lines: [lines[0].replace(b'"number":1', b'"number":true'), *lines[1:]], "record 1 is missing"),
        (lambda lines: [*lines[:4], b"\xff\n"], "record 5 cannot be read"),
    ],
)
def test_the_first_broken_record_is_named(content: bytes, tmp_path: Path, change: Any, said: str) -> None:
    changed = b"".join(change(content.splitlines(keepends=True)))

    assert verify(tmp_path, changed) == (1, f"BROKEN: {said}")


def test_a_chain_computed_anew_or_cut_short_is_found_by_a_head_that_was_kept(
    content: bytes, tmp_path: Path, edit: Edit
) -> None:
    kept = str(chain.head(EvidenceRecord))
    edit(EVIDENCE, "DELETE FROM {table} WHERE number >= 4")
    short = b"".join(publishing.lines())
    for _number in range(2):
        evidence.record("test", {"count": 7})

    assert verify(tmp_path, short, "--head", kept) == (
        1,
        "BROKEN: record 4 is missing: a head that was kept is beyond the end",
    )
    assert verify(tmp_path, b"".join(publishing.lines()), "--head", kept) == (
        1,
        "BROKEN: record 5 is not the one whose head was kept",
    )


async def _fetched(path: str) -> tuple[Any, bytes]:
    response = await AsyncClient().get(path)
    return response, b"".join([part async for part in response.streaming_content])


@pytest.mark.django_db(transaction=True)
def test_anybody_may_fetch_the_chain_whole_or_from_a_number_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "PAGE", 2)
    written = [evidence.record("test", {"count": number}) for number in range(5)]

    response, content = asyncio.run(_fetched("/api/evidence/chain.jsonl"))
    _response, rest = asyncio.run(_fetched("/api/evidence/chain.jsonl?after=3"))
    _response, nothing = asyncio.run(_fetched("/api/evidence/chain.jsonl?after=5"))

    third = f"3:{written[2].sha256}"
    assert response.headers["Cache-Control"] == "public, max-age=60"
    assert not response.cookies
    assert content == b"".join(publishing.lines())
    assert verify(tmp_path, rest, "--after", third) == (0, f"2 records, intact, head 5:{written[4].sha256}")
    assert nothing == b""


@pytest.mark.parametrize("after", ["-1", "x", "1.5", "9" * 30, "٣"])
def test_what_is_no_number_is_refused(client: Client, after: str) -> None:
    assert client.get("/api/evidence/chain.jsonl", {"after": after}).status_code == 400


def test_the_heads_are_a_feed(records: None, client: Client) -> None:
    check_chains()

    response = client.get("/api/evidence/heads.atom")

    atom = "{http://www.w3.org/2005/Atom}"
    tree = etree.fromstring(response.content)
    [entry] = tree.findall(f"{atom}entry")
    record = chain.head(EvidenceRecord)
    assert response.headers["Content-Type"].startswith("application/atom+xml")
    assert "intact" in entry.findtext(f"{atom}title")
    assert f"record {record}" in entry.findtext(f"{atom}summary")
    assert not response.cookies


def test_the_exported_site_carries_the_chain_as_it_is(content: bytes) -> None:
    assert publishing.exported() == {"evidence/chain.jsonl": content}


def test_an_address_may_fetch_the_whole_chain_so_often(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence_views, "RATE_LIMIT", "1/15m")
    somebody = Client(REMOTE_ADDR=f"2001:db8:{secrets.randbelow(65_536):x}:{secrets.randbelow(65_536):x}::1")

    first, second = (somebody.get("/api/evidence/chain.jsonl?after=9000") for _ in range(2))

    assert (first.status_code, second.status_code) == (200, 429)
    assert int(second.headers["Retry-After"]) > 0


def test_an_export_without_records_has_no_empty_file(db: None) -> None:
    assert publishing.exported() == {}
