"""Messages to the team on the staff's workbench: the list, due first, and one screen for each with its acts.

Every button is a form of its own with an address of its own; each calls one act of ``thread``. A message is never
edited here and never deleted by hand: it is closed, and ``chat.retention`` deletes it when its time is over.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import F, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from accounts.models import User
from chat.contact import thread
from chat.contact.deadlines import deadline
from chat.contact.errors import ThreadRefused
from chat.list_filters import OfferedFilters
from chat.models import TeamMessage
from compliance.models import Incident
from compliance.read_only import ReadOnly

CHANGE = "chat.change_teammessage"


class DueFilter(admin.SimpleListFilter):
    title = gettext_lazy("time")
    parameter_name = "due"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("open", gettext_lazy("open")), ("overdue", gettext_lazy("past its time"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() == "open":
            return queryset.waiting()
        return queryset.overdue() if self.value() == "overdue" else queryset


@admin.register(TeamMessage)
class TeamMessageAdmin(OfferedFilters, ReadOnly):
    """Texts are shown on a message's own screen only."""

    list_display = ["about", "due", "state", "owned_by", "received_at", "language", "answer_wanted"]
    list_display_links = ["about"]
    list_filter = [DueFilter, "kind", "state", ("owner", admin.RelatedOnlyFieldListFilter), "received_at"]
    list_select_related = ["owner"]
    search_fields = ["=public_id"]
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[TeamMessage]:
        return TeamMessage.objects.kept().order_by(*self.get_ordering(request))

    def get_ordering(self, request: HttpRequest) -> Any:
        return [F("closed_at").asc(nulls_first=True), "due_at", "id"]

    @admin.display(description=gettext_lazy("about"), ordering="kind")
    def about(self, message: TeamMessage) -> str:
        return message.get_kind_display()

    @admin.display(description=gettext_lazy("due"), ordering="due_at")
    def due(self, message: TeamMessage) -> Any:
        shown = timezone.localtime(message.due_at)
        if _is_late(message):
            return format_html("<strong>{} ({})</strong>", _day(shown), _("past its time"))
        return _day(shown)

    @admin.display(description=gettext_lazy("owner"), ordering="owner")
    def owned_by(self, message: TeamMessage) -> str:
        return message.owner.email if message.owner else "–"

    @admin.display(description=gettext_lazy("answer wanted"), boolean=True)
    def answer_wanted(self, message: TeamMessage) -> bool:
        return bool(message.reply_to)

    def get_urls(self) -> list[Any]:
        acts: dict[str, Callable[[HttpRequest, TeamMessage, User], None]] = {
            "take": _take,
            "answer": _answer,
            "close": _close,
            "reopen": _reopen,
            "kind": _kind,
            "incident": _incident,
        }
        own = [
            path(
                f"<int:pk>/{name}/",
                self.admin_site.admin_view(require_POST(partial(self.act, act=act))),
                name=f"chat_teammessage_{name}",
            )
            for name, act in acts.items()
        ]
        return own + super().get_urls()

    def act(self, request: HttpRequest, pk: int, act: Callable[[HttpRequest, TeamMessage, User], None]) -> HttpResponse:
        """Do one thing to one message and come back to its screen; a refusal keeps what was typed."""
        if not isinstance(request.user, User) or not request.user.has_perm(CHANGE):
            raise PermissionDenied
        message = self._message(request, str(pk))
        try:
            act(request, message, request.user)
        except ThreadRefused as refused:
            return self._screen(request, message, problem=str(refused), typed=request.POST.get("text", ""))
        messages.success(request, _("Done. It is in the audit log."))
        return redirect(reverse("admin:chat_teammessage_change", args=[pk]))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        message = self._message(request, object_id)
        if not self.has_view_permission(request, message):
            raise PermissionDenied
        return self._screen(request, message)

    def _message(self, request: HttpRequest, object_id: str) -> TeamMessage:
        found = self.get_queryset(request).filter(pk=object_id).first() if re.fullmatch("[0-9]+", object_id) else None
        if found is None:
            raise Http404
        return found

    def _screen(
        self, request: HttpRequest, message: TeamMessage, *, problem: str = "", typed: str = ""
    ) -> HttpResponse:
        fresh = TeamMessage.objects.select_related("owner").get(pk=message.pk)
        replies = [(reply, thread.mail_state(reply)) for reply in fresh.replies.select_related("author")]
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Message to the team"),
            "subtitle": fresh.get_kind_display(),
            "message": fresh,
            "replies": replies,
            "late": _is_late(fresh),
            "reason": deadline(fresh.kind).reason,
            "kinds": TeamMessage.Kind.choices,
            "incident_kinds": Incident.Kind.choices,
            "severities": Incident.Severity.choices,
            "max_chars": thread.MAX_REPLY_CHARS,
            "may_change": request.user.has_perm(CHANGE),
            "problem": problem,
            "typed": typed,
        }
        status = 400 if problem else 200
        return TemplateResponse(request, "admin/chat/teammessage/thread.html", context, status=status)


def _take(request: HttpRequest, message: TeamMessage, by: User) -> None:
    thread.take(message, by=by)


def _answer(request: HttpRequest, message: TeamMessage, by: User) -> None:
    seen = request.POST.get("seen", "")
    thread.answer(
        message, request.POST.get("text", ""), by=by, seen=int(seen) if re.fullmatch("[0-9]{1,6}", seen) else None
    )


def _close(request: HttpRequest, message: TeamMessage, by: User) -> None:
    thread.close(message, by=by)


def _reopen(request: HttpRequest, message: TeamMessage, by: User) -> None:
    thread.reopen(message, by=by)


def _kind(request: HttpRequest, message: TeamMessage, by: User) -> None:
    thread.change_kind(message, request.POST.get("kind", ""), by=by)


def _incident(request: HttpRequest, message: TeamMessage, by: User) -> None:
    kind, severity = request.POST.get("incident_kind", ""), request.POST.get("severity", "")
    thread.make_incident(message, kind=kind, severity=severity, by=by)


def _is_late(message: TeamMessage) -> bool:
    done = message.closed_at is not None or message.answered_at is not None
    return not done and message.due_at < timezone.now()


def _day(moment: Any) -> str:
    return date_format(moment, "SHORT_DATETIME_FORMAT")
