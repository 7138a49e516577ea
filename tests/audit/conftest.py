"""Every page of the site, as the application answers it and as a browser shows it."""

import pytest
from django.test import Client

from content.site import public_pages
from tests.audit.markup import Page, page_of
from tests.browser.conftest import browser as browser  # one Chromium for these tests, launched the same way


@pytest.fixture(scope="session")
def public() -> dict[str, Page]:
    """Every page of the sitemap by its path, rendered once."""
    client = Client()
    found = {}
    for page in public_pages():
        response = client.get(page.path)
        assert response.status_code == 200, page.path
        found[page.path] = page_of(page.path, page.language, response.content.decode())
    return found
