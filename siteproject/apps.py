"""Wiring of the project as a whole."""

from django.apps import AppConfig


class SiteprojectConfig(AppConfig):
    name = "siteproject"

    def ready(self) -> None:
        from siteproject import celery, checks, gates  # noqa: F401 - loading registers tasks' app and what is checked
