"""Evaluations, red-team runs, training sets and the record of a release."""

from django.apps import AppConfig


class FactoryConfig(AppConfig):
    name = "factory"
