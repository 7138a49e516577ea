"""What we make of allauth: its stages of a sign-in, its records and its second factors; none of its pages."""

import base64
import hashlib
from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.mfa.stages import AuthenticateStage
from allauth.mfa.totp.internal.auth import generate_totp_secret
from allauth.mfa.webauthn.internal.flows import did_use_passwordless_login
from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _

from accounts.models import User


class AccountAdapter(DefaultAccountAdapter):
    """Sign-in as we do it: our stage, no messages, no mail of allauth's own."""

    def get_login_stages(self) -> list[str]:
        return ["accounts.adapter.SecondFactorStage"]

    def add_message(self, *args: object, **kwargs: object) -> None:
        """Pages say themselves what has happened."""

    def is_reauthentication_required(self, *, app: str, **kwargs: object) -> bool:
        """Views ask for fresh proof themselves: ``accounts.proof``."""
        return False

    def respond_user_inactive(self, request: HttpRequest, user: AbstractBaseUser) -> HttpResponse:
        return render(request, "accounts/closed.html", status=403)


class SecondFactorStage(AuthenticateStage):
    """Asks for the second factor after a code or a link.

    Everybody's authenticator app is one. A passkey is a second way in and no second factor, or who lost the device
    would be locked out of an account that a code by mail has just opened; for staff it is both.
    """

    urlname = "accounts:factor"

    def handle(self) -> tuple[HttpResponse | None, bool]:
        user = self.login.user
        if not isinstance(user, User) or did_use_passwordless_login(self.request, user) or not has_factor(user):
            return None, True
        return redirect("accounts:factor"), True


class FactorAdapter(DefaultMFAAdapter):
    """Second factors under our name, their secrets encrypted."""

    error_messages = {**DefaultMFAAdapter.error_messages, "incorrect_code": _("This code is not right.")}

    def encrypt(self, text: str) -> str:
        return _cipher().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """Return the secret. After a change of SECRET_KEY it is lost, and a fresh one stands in that fits no code."""
        try:
            return _cipher().decrypt(encrypted_text.encode()).decode()
        except InvalidToken:
            return generate_totp_secret()

    def get_totp_issuer(self) -> str:
        return settings.SITE_NAME

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        return {"id": urlsplit(settings.CHAT_URL).hostname or "localhost", "name": settings.SITE_NAME}

    def get_public_key_credential_user_entity(self, user: AbstractBaseUser) -> dict[str, object]:
        """Name a person to their device by the id that may leave the database."""
        assert isinstance(user, User)
        return {"id": user.public_id.bytes, "display_name": user.email, "name": user.email}


def has_factor(user: User) -> bool:
    """Whether a code or a link alone does not let this person in."""
    types = [Authenticator.Type.TOTP, *([Authenticator.Type.WEBAUTHN] if user.is_staff else [])]
    return Authenticator.objects.filter(user=user, type__in=types).exists()


def _cipher() -> Fernet:
    key = hashlib.sha256(f"accounts.factor:{settings.SECRET_KEY}".encode()).digest()
    return Fernet(base64.urlsafe_b64encode(key))
