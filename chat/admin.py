"""The staff's side of the chat: flags and corrections, messages to the team. Stored conversations are not here."""

from chat.contact import admin as contact_admin  # noqa: F401 - registers what it shows
from chat.moderation import correction_admin, flag_admin  # noqa: F401 - register what they show
