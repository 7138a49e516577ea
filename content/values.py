"""Values that texts quote from settings and code, as ``{{ name }}``: a text cannot go stale where a number changes.

Each app registers what it stands for in its ``AppConfig.ready``. What an operator has to fill in and has not is
an empty text, which pages show as missing.
"""

import hashlib
import re
from collections.abc import Callable
from decimal import Decimal

from django.conf import settings
from django.utils import formats
from django.utils.translation import gettext as _

Value = str | int | float | Decimal

_values: dict[str, Callable[[], Value]] = {}
# In code a pair of braces is code, so only what was made for it is filled in there.
_in_code: set[str] = set()
IN_CODE = re.compile(r"\{\{ ([a-z][a-z0-9_]*) \}\}")


def register(name: str, read: Callable[[], Value], *, in_code: bool = False) -> None:
    """Let texts quote ``name``; also between the fences of their code where it is for that.

    Registering a name twice is a mistake of ours and a ValueError.
    """
    if name in _values:
        raise ValueError(f"two values are named {name}")
    _values[name] = read
    if in_code:
        _in_code.add(name)


def filled_in_code(code: str) -> str:
    """Return the code of a fence with the values that are for code, so that it can be copied and run."""
    return IN_CODE.sub(lambda found: str(value_of(found[1])) if found[1] in _in_code else found[0], code)


def known() -> list[str]:
    return sorted(_values)


def value_of(name: str) -> Value:
    """Return what ``name`` stands for now; empty when the operator has not filled it in. KeyError when unknown."""
    return _values[name]()


def text_of(name: str) -> str:
    """Return a value as people of the current language write it; in words when nobody has filled it in.

    Raises KeyError when the name is unknown.
    """
    value = value_of(name)
    if value == "":
        return _("not filled in")
    if isinstance(value, str):
        return value
    whole = int(value) if value == int(value) else value
    return formats.number_format(whole, use_l10n=True, force_grouping=True)


def values_digest() -> str:
    """Return a sha256 that changes when any value does: what was made from texts is then made anew."""
    text = "\0".join(f"{name}={value_of(name)}" for name in known())
    return hashlib.sha256(text.encode()).hexdigest()


def register_settings() -> None:
    """Register what the settings hold; an operator fills the second group in."""
    for name, setting in {
        "site_name": "SITE_NAME",
        "site_url": "SITE_URL",
        "machine_usd_per_month": "MACHINE_USD_PER_MONTH",
        "cache_mib": "LLM_CPU_CACHE_MIB",
        "contact_email": "CONTACT_EMAIL",
        "operator_name": "IMPRINT_NAME",
        "operator_address": "IMPRINT_ADDRESS",
        "operator_responsible": "IMPRINT_RESPONSIBLE",
        "operator_host": "IMPRINT_HOST",
        "privacy_authority": "PRIVACY_AUTHORITY",
        "governing_law": "GOVERNING_LAW",
    }.items():
        register(name, lambda setting=setting: getattr(settings, setting))  # type: ignore[misc]
    register("api_url", lambda: settings.API_URL, in_code=True)
    register("session_days", lambda: settings.SESSION_COOKIE_AGE / 86400)
