"""The queue of flags on the staff's workbench. Deciding happens on the screen of one flag (``review_views``)."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import Case, QuerySet, Value, When
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from chat.list_filters import OfferedFilters
from chat.models import Flag
from chat.moderation import review_views
from chat.moderation.reading import texts_are_there
from chat.moderation.unseen import spelled

EXCERPT_CHARS = 60


class HeldFilter(admin.SimpleListFilter):
    title = _("held")
    parameter_name = "held"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("no", _("by nobody")), ("yes", _("by somebody"))]

    def queryset(self, request: HttpRequest, rows: QuerySet[Flag]) -> QuerySet[Flag]:
        held = {"locked_until__gt": timezone.now()}
        return {"yes": rows.filter(**held), "no": rows.exclude(**held)}.get(self.value() or "", rows)


@admin.register(Flag)
class FlagAdmin(OfferedFilters, admin.ModelAdmin):
    """Open flags first, by weight, then by age. Of the texts the list shows the beginning of the question alone."""

    list_display = ["excerpt", "weight", "age", "reason", "state", "held", "rung", "model", "language"]
    list_display_links = None
    list_filter = ["state", "reason", "rung", "language", HeldFilter]
    list_select_related = ["locked_by"]
    list_per_page = 50
    actions = None
    show_full_result_count = False
    change_list_template = "admin/chat/flag/queue.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Texts go by ``chat.retention`` alone; the row stays, so that decisions can be counted."""
        return False

    def get_ordering(self, request: HttpRequest) -> list[Any]:
        waits = Case(When(state=Flag.State.OPEN, then=Value(0)), default=Value(1))
        return [waits.asc(), "-weight", "id"]

    def get_urls(self) -> list[Any]:
        pages: dict[str, tuple[str, Callable[..., HttpResponse]]] = {
            "<uuid:public_id>/review/": ("review", review_views.review),
            "<uuid:public_id>/preview/": ("preview", review_views.preview),
            "<uuid:public_id>/hold/": ("hold", review_views.hold),
            "<uuid:public_id>/leave/": ("leave", review_views.leave),
            "next/": ("next", review_views.take_next),
        }
        own = [
            path(route, self.admin_site.admin_view(partial(view, desk=self)), name=f"chat_flag_{name}")
            for route, (name, view) in pages.items()
        ]
        return [*own, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {"title": gettext("Flags to review"), **(extra_context or {})})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """There is no form of a flag's fields: lead to its screen."""
        flag = self.get_object(request, unquote(object_id))
        if flag is None:
            raise Http404
        return HttpResponseRedirect(reverse("admin:chat_flag_review", args=[flag.public_id]))

    @admin.display(description=_("question"))
    def excerpt(self, flag: Flag) -> SafeString | str:
        shown = (
            spelled(flag.question.lstrip()[: 10 * EXCERPT_CHARS])[: EXCERPT_CHARS + 20] if texts_are_there(flag) else ""
        )
        cut = f"{shown[: EXCERPT_CHARS - 1]}…" if len(shown) > EXCERPT_CHARS else shown
        address = reverse("admin:chat_flag_review", args=[flag.public_id])
        return format_html('<a class="excerpt" href="{}"><bdi>{}</bdi></a>', address, cut or _("without texts"))

    @admin.display(description=_("age"), ordering="created_at")
    def age(self, flag: Flag) -> str:
        return timesince(flag.created_at, depth=1)

    @admin.display(description=_("held by"), ordering="locked_until")
    def held(self, flag: Flag) -> str:
        if flag.locked_until is None or flag.locked_until <= timezone.now() or flag.locked_by is None:
            return "–"
        minutes = math.ceil((flag.locked_until - timezone.now()).total_seconds() / 60)
        return gettext("%(person)s, %(minutes)d min left") % {"person": flag.locked_by.email, "minutes": minutes}
