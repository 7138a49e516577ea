"""Conversations: grounding, replies, and the events a page paints."""

from django.apps import AppConfig
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from content import values


class ChatConfig(AppConfig):
    name = "chat"

    def ready(self) -> None:
        from chat import api_grounding, asks, checks, gates, limits  # noqa: F401 - importing registers the checks
        from chat.moderation import alarms as moderation_alarms  # noqa: F401
        from chat.moderation import gates as moderation_gates  # noqa: F401
        from inference.api import grounding

        grounding.register(api_grounding.grounded)

        values.register("chat_questions", lambda: limits.parse_limit(settings.CHAT_RATE_LIMIT)[0])
        values.register("chat_minutes", lambda: limits.parse_limit(settings.CHAT_RATE_LIMIT)[1] / 60)
        values.register("resume_grace_s", lambda: settings.CHAT_RESUME_GRACE_S)
        values.register("resume_kept_s", lambda: settings.CHAT_RESUME_KEPT_S)
        values.register("socket_idle_s", lambda: settings.CHAT_SOCKET_IDLE_S)
        values.register("retention_days", lambda: settings.RETENTION_DAYS)
        values.register("seal_days", lambda: settings.SEAL_MAX_AGE_DAYS)
        values.register("message_kib", lambda: asks.MAX_MESSAGE_BYTES // 1024)
        values.register("conversation_kib", lambda: asks.MAX_ASK_BYTES // 1024)
        values.register("messages_max", lambda: asks.MAX_MESSAGES)
        values.register("flag_days", lambda: settings.FLAG_RETENTION_DAYS)
        values.register("flag_decided_hours", lambda: settings.FLAG_DECIDED_KEPT_HOURS)
        values.register("contact_days", lambda: settings.CONTACT_RETENTION_DAYS)
        self._join_accounts()

    def _join_accounts(self) -> None:
        """Give people their conversations: a page, a consent, a part of their export, and an end with the account."""
        from accounts import export, pages, signals
        from chat import consent, exports, retention
        from chat.contact import people as contact_people
        from chat.moderation import people as moderation_people
        from chat.moderation import training

        pages.section(
            _("Conversations"),
            "chat:conversations",
            summary=_("What is kept of your chats, and for how long."),
            order=30,
        )
        pages.consent(
            consent.PURPOSE, give="chat:consent-give", withdraw="chat:consent-withdraw", wording=consent.wording
        )
        export.part("conversations", exports.exported, title=_("Conversations"), labels=exports.LABELS)
        signals.account_closing.connect(retention.on_account_closing, dispatch_uid="chat.retention")
        moderation_people.register()
        contact_people.register()
        training.register()
