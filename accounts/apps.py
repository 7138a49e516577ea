"""Users and how they sign in."""

from typing import Any

from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps
from django.utils.translation import gettext_lazy as _


class WorkbenchConfig(admin_apps.AdminConfig):
    """Django's admin behind the second factor."""

    default = False
    default_site = "accounts.staff.StaffSite"


class AccountsConfig(AppConfig):
    default = True
    name = "accounts"

    def ready(self) -> None:
        from accounts import attempts, checks, holdings, mailqueue, pages, sessions, signin_holdings  # noqa: F401 - some only register

        sessions.connect()
        holdings.register()
        signin_holdings.register()
        pages.section(
            _("Passkeys and second factor"),
            "accounts:factors",
            summary=_("Sign in without a code, and ask for more than a code."),
            order=25,
        )
        for template in ("signin-refused", "factors-changed"):
            mailqueue.template(template, _nothing_to_add)


def _nothing_to_add(user: Any, object_id: str) -> dict[str, Any]:
    """The mail says all there is to say."""
    return {}
