"""Findings of the red team on the staff's workbench: who looks after one, and until when it is lived with."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from factory.models import Finding
from factory.redteam import findings


class Triage(forms.ModelForm):
    """A decision. Who accepts says why and until when, and somebody owns it."""

    class Meta:
        model = Finding
        fields = ["state", "owner", "reason", "expires_on", "note"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "owner" in self.fields:  # who may only look has no fields
            self.fields["owner"].queryset = User.objects.filter(is_staff=True, is_active=True)  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        if said.get("state") != Finding.State.ACCEPTED:
            return said
        for name in ("owner", "reason", "expires_on"):
            if not said.get(name) and name not in self.errors:
                self.add_error(name, ValidationError(_("Who accepts a finding says this too."), code="required"))
        if said.get("expires_on") and not findings.may_end_on(said["expires_on"]):
            days = {"days": findings.LONGEST_ACCEPTANCE.days}
            self.add_error("expires_on", _("An acceptance ends after today and within %(days)d days.") % days)
        return said


@admin.register(Finding)
class FindingAdmin(admin.ModelAdmin):
    form = Triage
    list_display = ["target", "probe", "state", "hits", "owner", "expires_on", "last_seen", "model"]
    list_display_links = ["target", "probe"]
    list_filter = ["state", "target", "model", "reason"]
    list_select_related = ["owner"]
    ordering = ["-last_seen", "target", "probe"]
    search_fields = ["probe", "=public_id"]
    actions = None
    readonly_fields = [
        "public_id", "target", "model", "probe", "hits", "accepted_hits", "output_sha256", "first_seen", "last_seen",
        "last_record",
    ]  # fmt: skip
    fields = [*readonly_fields, "state", "owner", "reason", "expires_on", "note"]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).select_related("owner")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Finding, form: ModelForm, change: bool) -> None:
        """Let the act decide, so that evidence and audit log know of it."""
        said = form.cleaned_data
        findings.decide(
            obj,
            by=request.user,  # type: ignore[arg-type]
            state=said["state"],
            owner=said["owner"],
            reason=said["reason"],
            expires_on=said["expires_on"],
            note=said["note"],
        )
