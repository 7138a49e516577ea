"""What is typed to sign in: an address, a code, a name for a passkey."""

import json
import re
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.addresses import INVALID, canonical
from accounts.codes import DIGITS
from accounts.factors import MAX_NAME_CHARS

SPACES = re.compile(r"[\s\u200b\u2060-]+")
SIX_DIGITS = re.compile(rf"[0-9]{{{DIGITS}}}")
MAX_CREDENTIAL_CHARS = 20_000


class EnterForm(forms.Form):
    email = forms.EmailField(
        max_length=254,
        error_messages={"required": _("Enter your e-mail address."), "invalid": INVALID},
    )

    def clean_email(self) -> str:
        return canonical(self.cleaned_data["email"])


class CodeForm(forms.Form):
    """Six digits, however they were pasted."""

    code = forms.CharField(max_length=40, error_messages={"required": _("Enter the code.")})

    def clean_code(self) -> str:
        code = SPACES.sub("", self.cleaned_data["code"])
        if not SIX_DIGITS.fullmatch(code):
            raise forms.ValidationError(_("A code has six digits."))
        return code


class FactorCodeForm(forms.Form):
    """Six digits of an app, or eight of a recovery code."""

    code = forms.CharField(max_length=40, error_messages={"required": _("Enter the code.")})

    def clean_code(self) -> str:
        return SPACES.sub("", self.cleaned_data["code"])


class CredentialForm(forms.Form):
    """What a browser answers about a passkey."""

    credential = forms.CharField(max_length=MAX_CREDENTIAL_CHARS)
    name = forms.CharField(max_length=MAX_NAME_CHARS, required=False)

    def clean_credential(self) -> dict[str, Any]:
        try:
            credential = json.loads(self.cleaned_data["credential"])
        except (ValueError, RecursionError):
            credential = None
        if not isinstance(credential, dict) or not isinstance(credential.get("response"), dict):
            raise forms.ValidationError(_("The passkey could not be read."))
        return credential
