"""Addresses of the way to the team; part of the chat's."""

from typing import Any

urlpatterns: list[Any] = []
