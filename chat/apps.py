"""Conversations: grounding, replies, and the events a page paints."""

from django.apps import AppConfig


class ChatConfig(AppConfig):
    name = "chat"
