"""Models, their backends, and the one engine that chat, API and evaluations share."""

from django.apps import AppConfig


class InferenceConfig(AppConfig):
    name = "inference"
