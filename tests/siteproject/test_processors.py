"""Who else handles data: every host of the settings is on the list, or the gate says which setting is not."""

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as current
from django.core.checks import run_checks
from django.utils import timezone

from compliance.gates import Failed, Passed
from compliance.tables import TableError
from siteproject.public import practice, processors
from siteproject.public.gates import gap_gate, processors_gate

MAIL = """
version = "2026-11-21"

[[processor]]
id = "mail"
name = "A mail company"
hosts = ["smtp.example.org", "*.mail.example.org"]
country = "CH"
transfer = "adequacy"
contract = 2026-01-31
purpose = { en = "Sends codes.", fr = "Envoie les codes." }
data = { en = "E-mail address, code.", fr = "Adresse e-mail, code." }
"""


@pytest.fixture
def listing(tmp_path: Path, settings: Any) -> Path:
    """The operator's own file."""
    path = tmp_path / "processors.toml"
    path.write_text(MAIL)
    settings.PROCESSORS_FILE = str(path)
    return path


def test_as_it_ships_nobody_else_handles_data_and_nothing_leaves_the_machine() -> None:
    assert processors.listed().processor == []
    assert processors.outbound() == []
    assert isinstance(processors_gate(), Passed)


@pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")
@pytest.mark.parametrize(
    ("change", "setting"),
    [
        ({"LLM_GPU_WAKE_URL": "https://wake.gpu.example.org/start?key=s3cret"}, "LLM_GPU_WAKE_URL"),
        ({"STRIPE_SECRET_KEY": "sk_test_s3cret"}, "STRIPE_SECRET_KEY"),
        ({"REDIS_URL": "rediss://user:s3cret@redis.example.org:6379/0"}, "REDIS_URL"),
        ({"DATABASES": {"default": {"HOST": "db.example.org"}}}, "DATABASE_URL"),
        ({"EMAIL_BACKEND": processors.SMTP, "EMAIL_HOST": "192.0.2.7"}, "EMAIL_URL"),
        ({"LLM_EMBED": {**current.LLM_EMBED, "url": "http://10.0.0.7:8081"}}, "LLM_EMBED_URL"),
    ],
)
def test_a_host_that_nobody_is_named_for_fails_and_its_setting_is_named_without_its_secret(
    settings: Any, change: dict[str, Any], setting: str
) -> None:
    for name, value in change.items():
        setattr(settings, name, value)

    outcome = processors_gate()

    assert outcome == Failed(f"not listed: {setting}")
    [warning] = [message for message in run_checks() if message.id == "siteproject.W021"]
    assert setting in warning.msg and "s3cret" not in str(warning)


@pytest.mark.parametrize("host", ["smtp.example.org", "eu.mail.example.org", "SMTP.example.org"])
def test_a_listed_host_passes(listing: Path, settings: Any, host: str) -> None:
    settings.EMAIL_BACKEND, settings.EMAIL_HOST = processors.SMTP, host

    assert processors_gate() == Passed("1 settings lead to 1 processors")


@pytest.mark.parametrize(
    "change",
    [
        ('transfer = "adequacy"', 'transfer = "somehow"'),
        ('data = { en = "E-mail address, code.", fr = "Adresse e-mail, code." }', 'data = { en = "Codes." }'),
        ('country = "CH"', ""),
        ("[[processor]]", "[[processor"),
    ],
)
def test_a_list_that_does_not_say_everything_is_an_error_at_start(listing: Path, change: tuple[str, str]) -> None:
    listing.write_text(MAIL.replace(*change))

    assert isinstance(processors_gate(), Failed)
    assert [message.id for message in run_checks() if message.id == "siteproject.E020"]


def test_the_gap_analysis_answers_every_measure_this_year() -> None:
    assert isinstance(gap_gate(), Passed)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('id = "3.4"', 'id = "9.9"', "not answered: 3.4"),
        ('id = "3.4"', 'id = "1.2"', "a measure is answered twice"),
        ("version = 2026-11-21", "version = 2025-11-20", "older than 365 days"),
        ("version = 2026-11-21", "version = 2999-01-01", "yet to come"),
        ('how.fr = "C’est voulu', 'how.de = "C’est voulu', "not said in every language: 1.1.3"),
    ],
)
def test_a_gap_in_the_analysis_itself_is_found(tmp_path: Path, old: str, new: str, problem: str) -> None:
    path = tmp_path / "code.toml"
    text = practice.FILE.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))

    today = max(timezone.now().date(), practice.read().version)

    assert problem in practice.problem(practice.read(path), today=today)


def test_a_state_that_is_none_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "code.toml"
    path.write_text(practice.FILE.read_text().replace('state = "met"', 'state = "surely"', 1))

    with pytest.raises(TableError, match="state"):
        practice.read(path)
