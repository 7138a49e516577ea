"""Our apps as rows and nothing else, for the dead man's switch: nothing is registered, so little is loaded."""

from django.apps import AppConfig


class Compliance(AppConfig):
    name = "compliance"


class Accounts(AppConfig):
    name = "accounts"


class Inference(AppConfig):
    name = "inference"
