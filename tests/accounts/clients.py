"""Browsers of signed-in people, for the tests of their pages."""

import time

from django.test import Client

from accounts.models import User, UserSession
from tests.signed_in import sign_in


def signed_in(user: User, *, method: str = "code", age_s: float = 0.0) -> Client:
    """Return a browser whose session proved ``method`` so many seconds ago."""
    client = Client()
    sign_in(client, user, method, at=time.time() - age_s)
    # The test client signs in without a request, so nothing told the name of the browser.
    UserSession.objects.filter(session_key=client.session.session_key).update(browser="Firefox · Linux")
    return client
