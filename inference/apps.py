"""Models, their backends, and the one engine that chat, API and evaluations share."""

from django.apps import AppConfig
from django.conf import settings

from content import values
from inference.energy import PUE, WATTS_PER_THREAD


class InferenceConfig(AppConfig):
    name = "inference"

    def ready(self) -> None:
        # Importing registers alarms and checks.
        from inference import budget_alarms, gates, people, wake_alarms  # noqa: F401

        people.register()
        for level, watts in WATTS_PER_THREAD.items():
            values.register(f"watts_{level}", lambda watts=watts: watts)  # type: ignore[misc]
        values.register("pue", lambda: PUE)
        values.register("model_name", lambda: settings.LLM_CPU["name"])
        values.register("model_hardware", lambda: "CPU")
        values.register("max_tokens_small", max_tokens_small)


def max_tokens_small() -> int:
    """Return the most tokens an answer of the small tier may have: the site's cap or the model's, if lower."""
    return min(settings.CHAT_MAX_TOKENS["small"], settings.LLM_CPU["max_output_tokens"])
