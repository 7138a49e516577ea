"""Pages, posts and knowledge, and the passages that answers are grounded on."""

from django.apps import AppConfig


class ContentConfig(AppConfig):
    name = "content"

    def ready(self) -> None:
        from content import checks, gates, values  # noqa: F401 - importing registers the checks

        values.register_settings()
