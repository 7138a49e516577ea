"""What two settings of keys and payments must agree on."""

import os
import subprocess
import sys
from typing import Any

import pytest

from billing import checks
from siteproject.stack.folder import ROOT


@pytest.mark.parametrize(
    ("values", "ids"),
    [
        ({}, []),
        ({"STRIPE_SECRET_KEY": "sk_test_x"}, ["billing.E001"]),
        ({"STRIPE_SECRET_KEY": "sk_test_x", "STRIPE_WEBHOOK_SECRETS": ["whsec_w"]}, []),
        ({"STRIPE_SECRET_KEY": "sk_test_x", "STRIPE_WEBHOOK_SECRETS": ["whsec_w"], "HTTPS": True}, ["billing.W001"]),
        ({"STRIPE_SECRET_KEY": "sk_live_x", "STRIPE_WEBHOOK_SECRETS": ["whsec_w"], "HTTPS": True}, []),
        ({"STRIPE_SECRET_KEY": "rk_live_x", "STRIPE_WEBHOOK_SECRETS": ["whsec_w"]}, ["billing.E002"]),
        ({"STRIPE_SECRET_KEY": "sk_test_x", "STRIPE_WEBHOOK_SECRETS": ["whsec_w", "we_1"]}, ["billing.E007"]),
        (
            {
                "STRIPE_SECRET_KEY": "sk_live_x",
                "STRIPE_WEBHOOK_SECRETS": ["whsec_w"],
                "HTTPS": True,
                "STRIPE_API_URL": "http://127.0.0.1:1",
            },
            ["billing.E003"],
        ),
    ],
)
def test_payments_that_cannot_work_or_fit_nowhere_are_said(
    values: dict[str, Any], ids: list[str], settings: Any
) -> None:
    defaults = {"STRIPE_SECRET_KEY": "", "STRIPE_WEBHOOK_SECRETS": [], "STRIPE_API_URL": "", "HTTPS": False}
    for name, value in (defaults | values).items():
        setattr(settings, name, value)

    assert [message.id for message in checks.check_payments()] == ids


@pytest.mark.parametrize(
    ("values", "ids"),
    [
        ({}, []),
        ({"API_KEY_PEPPER_IDS": ["1", "1"]}, ["billing.E004"]),
        ({"API_KEY_PEPPERS": {"2": b"a", "1": b""}}, ["billing.E005"]),
        ({"API_KEY_PEPPER_IDS": ["2", ""]}, ["billing.E005"]),
        ({"API_KEY_PEPPERS": {"1": b"s" * 40}, "SECRET_KEY": "s" * 40}, ["billing.W003"]),
        ({"API_KEY_PEPPERS": {"1": b"s" * 40}, "SECRET_KEY": "s" * 40, "DEBUG": True}, []),
        ({"API_KEY_CACHE_S": 6.0}, ["billing.E006"]),
        ({"API_ORPHAN_S": 400.0}, ["billing.W002"]),
    ],
)
def test_peppers_and_times_that_break_a_promise_are_said(values: dict[str, Any], ids: list[str], settings: Any) -> None:
    for name, value in values.items():
        setattr(settings, name, value)

    assert [message.id for message in checks.check_keys()] == ids


def test_secrets_of_webhooks_are_taken_without_blanks_and_empty_ones_are_dropped() -> None:
    environment = os.environ | {"STRIPE_WEBHOOK_SECRETS": " whsec_new, whsec_old ,, "}
    say = "from siteproject import settings; print(settings.STRIPE_WEBHOOK_SECRETS)"

    done = subprocess.run([sys.executable, "-c", say], env=environment, cwd=ROOT, capture_output=True, text=True)

    assert done.stdout.splitlines()[-1:] == ["['whsec_new', 'whsec_old']"], done.stderr
