"""Consent records, audit log, evidence and the frame for gates: the ground floor, which knows nobody."""

from django.apps import AppConfig


class ComplianceConfig(AppConfig):
    name = "compliance"

    def ready(self) -> None:
        from compliance import attestations, heads, incidents  # noqa: F401 - importing registers gates and alarms
