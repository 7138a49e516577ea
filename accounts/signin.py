"""Signing in: who a proven address is, and handing them to allauth's stages (second factor, session, signals)."""

import logging

from allauth.account.internal.flows.login import perform_login
from allauth.account.models import Login
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse

from accounts import browsers, proof
from accounts.errors import CodeRefused
from accounts.models import User
from compliance import audit

logger = logging.getLogger(__name__)


def person_for(email: str, language: str) -> User:
    """Return the person with an address that has just been proven; the account is made if there is none.

    Raises CodeRefused when what is found or could be made is not the address that was proven, letter for letter.
    """
    found = User.objects.with_address(email).first()
    if found is not None:
        return _proven(found, email)
    try:
        with transaction.atomic():
            made = User.objects.create_user(email, language=language)
            audit.record("account.created", actor=made, object_kind="user", object_id=made.public_id)
    except (IntegrityError, ValidationError):
        # Somebody was faster with the same address.
        return _proven(User.objects.with_address(email).first(), email)
    return made


def _proven(found: User | None, email: str) -> User:
    if found is None or found.email.lower() != email.lower():
        raise CodeRefused
    return found


def enter(request: HttpRequest, user: User, method: str, *, next_url: str, **facts: object) -> HttpResponse:
    """Sign a person in who has proven ``method``, or lead them to the second factor first."""
    proof.record(request, user, method, **facts)
    response = perform_login(request, Login(user=user, redirect_url=next_url or None))
    return welcome(request, response)


def welcome(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Finish a sign-in: the session is a person's from here on, and the browser a known one."""
    if isinstance(request.user, User):
        request.session.set_expiry(None)
        browsers.remember(request, response, request.user)
        logger.info("signed in")
    return response
