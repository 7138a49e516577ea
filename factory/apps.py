"""Evaluations, red-team runs, training sets and the record of a release."""

from django.apps import AppConfig


class FactoryConfig(AppConfig):
    name = "factory"

    def ready(self) -> None:
        from chat.moderation import training
        from factory import dataset, dataset_gates, evaluation_gates, gates, redteam_gates  # noqa: F401 - register checks

        training.examples_left.connect(dataset.on_examples_left, dispatch_uid="factory.dataset")
