"""Consent records, audit log, evidence and the frame for gates: the ground floor, which knows nobody."""

from django.apps import AppConfig


class ComplianceConfig(AppConfig):
    name = "compliance"
