"""The cast and the stages: people, a live site, scripted backends."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.db import connection
from django.db.models.signals import post_migrate
from django.test import Client

from accounts.models import User
from siteproject.management.commands.compilecatalogs import compile_catalogs
from tests.billing.ledgers import seed
from tests.live import Site, running_site
from tests.signed_in import sign_in_as_staff


def pytest_configure() -> None:
    """Pages rendered inside the test process link plain files; the live site proves the hashed ones."""
    settings.STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
    settings.CONTENT_RECHECK_S = 0.0  # a test that changes a file does not wait for it to be seen
    for folder in settings.LOCALE_PATHS:  # before anything asks for a word: Django keeps the catalog it found first
        compile_catalogs(Path(folder))


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """Let a test that commits clean up after itself: its TRUNCATE is what the tables of records refuse elsewhere."""
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        for table in ("consentevent", "auditentry", "evidencerecord"):
            cursor.execute(f"ALTER TABLE compliance_{table} DISABLE TRIGGER no_truncate")
    # Such a test takes along what migrations had written. Django sends this signal when it has emptied the tables.
    post_migrate.connect(_seed, sender=apps.get_app_config("billing"))


def _seed(**_: Any) -> None:
    seed()


@pytest.fixture(scope="session")
def live_site() -> Iterator[Site]:
    """A site with the real model, worker and everything, shared by the tests that do not break it."""
    with running_site(worker=True) as site:
        yield site


@pytest.fixture
def dana(db: None) -> User:
    """A moderator: staff with every permission."""
    return User.objects.create_user("dana@example.org", is_staff=True, is_superuser=True)


@pytest.fixture
def alice(db: None) -> User:
    """A signed-up person."""
    return User.objects.create_user("alice@example.org")


@pytest.fixture
def staff_client(dana: User) -> Client:
    """A browser in which dana has signed in and proven a second factor."""
    client = Client()
    sign_in_as_staff(client, dana)
    return client


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium; tests that need one are skipped, loudly, where there is none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not found:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    return found
