"""Addresses of flags; part of the chat's."""

from typing import Any

urlpatterns: list[Any] = []
