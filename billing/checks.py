"""System checks of keys and payments. What needs the database is an alarm instead: a check must not wait for one."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

# The promise to customers: a revoked key is refused everywhere within five seconds.
MOST_CACHE_S = 5.0
WEBHOOKS_BEGIN = "whsec_"


@register()
def check_payments(*, app_configs: Sequence[AppConfig] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """E001, E007: payments that nobody hears of. E002, E003, W001: a key that does not fit where it is used."""
    found: list[CheckMessage] = []
    key = settings.STRIPE_SECRET_KEY
    if not key:
        return found
    if not settings.STRIPE_WEBHOOK_SECRETS:
        hint = "Without it no webhook is believed, and nobody gets what they paid for. See docs/billing.md."
        found.append(Error("STRIPE_SECRET_KEY without STRIPE_WEBHOOK_SECRETS.", hint=hint, id="billing.E001"))
    if not all(secret.startswith(WEBHOOKS_BEGIN) for secret in settings.STRIPE_WEBHOOK_SECRETS):
        hint = f"Stripe shows it beside the webhook, once; it begins with {WEBHOOKS_BEGIN}."
        found.append(Error("STRIPE_WEBHOOK_SECRETS holds what is no webhook’s secret.", hint=hint, id="billing.E007"))
    live, test = "_live_" in key, "_test_" in key
    if live and not settings.HTTPS:
        hint = "Take Stripe’s key for tests, or set an https SITE_URL."
        found.append(Error("Stripe’s live key on a site without https.", hint=hint, id="billing.E002"))
    if live and settings.STRIPE_API_URL:
        hint = "It would be sent to another server than Stripe’s: leave STRIPE_API_URL empty."
        found.append(Error("Stripe’s live key with STRIPE_API_URL.", hint=hint, id="billing.E003"))
    if test and settings.HTTPS:
        hint = "Right for a trial; where customers pay, take the live key."
        found.append(Warning("Stripe’s key for tests on a public site.", hint=hint, id="billing.W001"))
    return found


@register()
def check_keys(*, app_configs: Sequence[AppConfig] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """E004, E005: peppers that are there twice, or not at all. E006: revoked keys that live on. W002: the sweeper.

    W003: keys that end with another secret.
    """
    found: list[CheckMessage] = []
    ids = settings.API_KEY_PEPPER_IDS
    if len(set(ids)) != len(ids):
        hint = "Give the new pepper a new API_KEY_PEPPER_ID and keep the old one under its own in API_KEY_PEPPERS_OLD."
        found.append(Error("Two peppers of API keys have one id.", hint=hint, id="billing.E004"))
    if not all(settings.API_KEY_PEPPERS.values()) or not all(ids):
        hint = "API_KEY_PEPPERS_OLD is a list of id:pepper."
        found.append(Error("A pepper of API keys, or its id, is empty.", hint=hint, id="billing.E005"))
    if not settings.DEBUG and settings.SECRET_KEY.encode() in settings.API_KEY_PEPPERS.values():
        hint = (
            "With the next SECRET_KEY every API key would be nobody’s. Set a pepper of its own before there are keys."
        )
        found.append(Warning("API_KEY_PEPPER is not set, SECRET_KEY stands in for it.", hint=hint, id="billing.W003"))
    if settings.API_KEY_CACHE_S > MOST_CACHE_S:
        hint = "Customers are promised that a revoked key ends within 5 seconds."
        found.append(Error("API_KEY_CACHE_S is above 5.", hint=hint, id="billing.E006"))
    longest = settings.LLM_GPU_WAKE_TIMEOUT_S + max(settings.LLM_TOTAL_S, settings.LLM_GPU_ANSWER_MAX_S)
    if longest >= settings.API_ORPHAN_S:
        hint = f"A call may take {longest:.0f} seconds: one that is settled before that is settled twice."
        found.append(Warning("API_ORPHAN_S is below the longest call.", hint=hint, id="billing.W002"))
    return found
