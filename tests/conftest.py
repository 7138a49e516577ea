"""The cast and the stages: people, a live site, scripted backends."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from accounts.models import User
from siteproject.management.commands.compilecatalogs import compile_catalogs
from tests.live import Site, running_site


def pytest_configure() -> None:
    """Pages rendered inside the test process link plain files; the live site proves the hashed ones."""
    settings.STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
    settings.CONTENT_RECHECK_S = 0.0  # a test that changes a file does not wait for it to be seen
    for folder in settings.LOCALE_PATHS:  # before anything asks for a word: Django keeps the catalog it found first
        compile_catalogs(Path(folder))


@pytest.fixture(scope="session")
def live_site() -> Iterator[Site]:
    """A site with the real model, worker and everything, shared by the tests that do not break it."""
    with running_site(worker=True) as site:
        yield site


@pytest.fixture
def dana(db: None) -> User:
    """A moderator: staff with every permission."""
    return User.objects.create_user("dana@example.org", is_staff=True, is_superuser=True)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium; tests that need one are skipped, loudly, where there is none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not found:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    return found
