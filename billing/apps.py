"""API keys, plans, quotas, the usage ledger and payments."""

from django.apps import AppConfig


class BillingConfig(AppConfig):
    name = "billing"
