"""Wiring of the project as a whole."""

from django.apps import AppConfig


class SiteprojectConfig(AppConfig):
    name = "siteproject"

    def ready(self) -> None:
        # Loading registers the tasks' app and what is checked.
        from siteproject import celery, checks, gates, head_mail, record_people, served_gates  # noqa: F401
        from siteproject.public import gates as public_gates  # noqa: F401

        head_mail.register()
        record_people.register()
