"""Corrections, the cases that guard them and the training set on the staff's workbench: read, approved, withdrawn."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from chat.list_filters import OfferedFilters
from chat.models import Correction, RegressionCase, TrainingExample
from chat.moderation import corrections, regression, training
from chat.moderation.corrections import CorrectionRefused, missing_languages
from chat.moderation.soundness import passage_of
from chat.presentation import html_of
from chat.tree import tree
from compliance.read_only import ReadOnly

# Of a correction, on its page.
SHOWN = [
    "public_id", "state", "language", "asked", "shown_answer", "proof", "missing", "group_rows", "flag_link",
    "author", "created_at", "approver", "approved_at", "withdrawn_at",
]  # fmt: skip


class Reason(models.TextChoices):
    """Why something is withdrawn. A code, because it goes into the audit log."""

    WRONG = "wrong", gettext_lazy("it is wrong")
    OUTDATED = "outdated", gettext_lazy("things have changed")
    REPLACED = "replaced", gettext_lazy("a better one takes its place")
    UNFIT = "unfit", gettext_lazy("it should not have been taken")


class Withdrawable(OfferedFilters, ReadOnly):
    """Rows that staff read and take back, with a reason; each act needs the permission to change them."""

    change_form_template = "admin/chat/withdrawable.html"
    list_per_page = 50
    show_full_result_count = False

    def get_urls(self) -> list[Any]:
        name = self.opts.model_name
        own = path("<int:pk>/withdraw/", self.admin_site.admin_view(self.withdraw_view), name=f"chat_{name}_withdraw")
        return [own, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        acts = self.acts(request, row) if row is not None and self.may_act(request) else {}
        return super().change_view(
            request, object_id, form_url, {"acts": acts, "reasons": Reason.choices, **(extra_context or {})}
        )

    def withdraw_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        row, person = self.row_for(request, pk)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        reason = request.POST.get("reason", "")
        if reason not in Reason.values:
            messages.error(request, _("Choose a reason first."))
            return HttpResponseRedirect(self.address_of(row))
        self.log_change(request, row, [{"changed": {"fields": ["state"]}}])
        if self.withdraw(row, person, reason):
            messages.success(request, _("It is withdrawn."))
        else:
            messages.info(request, _("It was withdrawn before."))
        return HttpResponseRedirect(reverse(f"admin:chat_{self.opts.model_name}_changelist"))

    def acts(self, request: HttpRequest, row: Any) -> dict[str, str]:
        """Return the addresses of what may be done with a row: ``withdraw``, ``approve``."""
        return {"withdraw": reverse(f"admin:chat_{self.opts.model_name}_withdraw", args=[row.pk])}

    def withdraw(self, row: Any, person: User, reason: str) -> bool:
        raise NotImplementedError

    def may_act(self, request: HttpRequest) -> bool:
        return request.user.has_perm(f"chat.change_{self.opts.model_name}")

    def row_for(self, request: HttpRequest, pk: int) -> tuple[Any, User]:
        if not self.may_act(request) or not isinstance(request.user, User):
            raise PermissionDenied
        return get_object_or_404(self.model, pk=pk), request.user

    def address_of(self, row: Any) -> str:
        return reverse(f"admin:chat_{self.opts.model_name}_change", args=[row.pk])


@admin.register(Correction)
class CorrectionAdmin(Withdrawable):
    """What readers get instead of a wrong answer. What it says is never changed: a better one takes its place."""

    list_display = ["first_question", "language", "state", "missing", "author", "approver", "created_at"]
    list_filter = ["state", "language"]
    list_select_related = ["author", "approver"]
    fields = tuple(SHOWN)
    readonly_fields = SHOWN

    def get_urls(self) -> list[Any]:
        own = path("<int:pk>/approve/", self.admin_site.admin_view(self.approve_view), name="chat_correction_approve")
        return [own, *super().get_urls()]

    def approve_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        row, person = self.row_for(request, pk)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            corrections.approve(row, by=person)
        except CorrectionRefused as refused:
            for problem in refused.problems:
                messages.error(request, problem.text)
        else:
            self.log_change(request, row, [{"changed": {"fields": ["state"]}}])
            messages.success(request, _("Approved: readers get it within a minute."))
        return HttpResponseRedirect(self.address_of(row))

    def acts(self, request: HttpRequest, row: Correction) -> dict[str, str]:
        if row.state == Correction.State.WITHDRAWN:
            return {}
        found = super().acts(request, row)
        if row.state == Correction.State.DRAFT:
            found["approve"] = reverse("admin:chat_correction_approve", args=[row.pk])
        return found

    def withdraw(self, row: Correction, person: User, reason: str) -> bool:
        try:
            corrections.withdraw(row, by=person, reason=reason)
        except CorrectionRefused:
            return False
        return True

    @admin.display(description=gettext_lazy("question"))
    def first_question(self, row: Correction) -> str:
        return str(row.questions[0]) if row.questions else "–"

    @admin.display(description=gettext_lazy("questions"))
    def asked(self, row: Correction) -> SafeString:
        return format_html("<ul>{}</ul>", format_html_join("", "<li>{}</li>", ((one,) for one in row.questions)))

    @admin.display(description=gettext_lazy("answer"))
    def shown_answer(self, row: Correction) -> SafeString:
        return format_html('<div class="answer-seen">{}</div>', html_of(tree(row.answer)))

    @admin.display(description=gettext_lazy("passage that proves it"))
    def proof(self, row: Correction) -> SafeString | str:
        passage = passage_of(row.passage, row.language)
        if passage is None:
            return _("%(id)s: our pages no longer have it, so nobody gets this answer.") % {"id": row.passage}
        shown = '<code>{}</code><blockquote class="passage">{}</blockquote>'
        return format_html(shown, passage.id, passage.text)

    @admin.display(description=gettext_lazy("missing languages"))
    def missing(self, row: Correction) -> str:
        if row.state == Correction.State.WITHDRAWN:
            return "–"
        return ", ".join(language.upper() for language in missing_languages(row.group)) or "–"

    @admin.display(description=gettext_lazy("in other languages"))
    def group_rows(self, row: Correction) -> SafeString | str:
        others = Correction.objects.filter(group=row.group).exclude(pk=row.pk)
        links = [(self.address_of(each), each.language.upper(), each.get_state_display()) for each in others]
        return format_html_join(", ", '<a href="{}">{}: {}</a>', links) or "–"

    @admin.display(description=gettext_lazy("flag"))
    def flag_link(self, row: Correction) -> SafeString | str:
        if row.flag is None:
            return "–"
        address = reverse("admin:chat_flag_review", args=[row.flag.public_id])
        return format_html('<a href="{}">{}</a>', address, row.flag.public_id)


@admin.register(RegressionCase)
class RegressionCaseAdmin(Withdrawable):
    """Questions whose answer was once wrong: the gate asks them before every release."""

    list_display = ["question", "language", "rung", "must_say", "must_not_say", "correction", "withdrawn_at"]
    list_filter = ["language", ("withdrawn_at", admin.EmptyFieldListFilter)]
    list_select_related = ["correction"]

    def acts(self, request: HttpRequest, row: RegressionCase) -> dict[str, str]:
        return {} if row.withdrawn_at else super().acts(request, row)

    def withdraw(self, row: RegressionCase, person: User, reason: str) -> bool:
        return regression.withdraw(row, by=person, reason=reason)


@admin.register(TrainingExample)
class TrainingExampleAdmin(Withdrawable):
    """What senders consented to, masked. Withdrawn here, an example is deleted, and no set may hold it any more."""

    list_display = ["public_id", "language", "passage", "author", "created_at"]
    list_filter = ["language"]
    list_select_related = ["author"]
    exclude = ["subject", "consent"]

    def withdraw(self, row: TrainingExample, person: User, reason: str) -> bool:
        return training.withdraw(row, by=person) > 0
