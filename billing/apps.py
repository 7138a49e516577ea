"""API keys, plans, quotas, the usage ledger and payments."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class BillingConfig(AppConfig):
    name = "billing"

    def ready(self) -> None:
        # Importing registers alarms and checks.
        from billing import alarms, checks, dunning, people  # noqa: F401

        people.register()
        dunning.register()
        self._tell_texts()
        self._join_accounts()

    def _join_accounts(self) -> None:
        """Give customers their pages and their mail."""
        from accounts import mailqueue, pages
        from billing import alerts

        pages.section(_("API"), "billing:overview", summary=_("Keys, usage, limits and invoices."), order=20)
        mailqueue.template(alerts.MAIL, alerts.context)

    def _tell_texts(self) -> None:
        """Give texts the numbers of this app that they quote."""
        from django.conf import settings

        from billing import people
        from content import values

        values.register("usage_days", lambda: settings.USAGE_KEPT_DAYS)
        values.register("usage_exported", lambda: people.LAST_CALLS)
