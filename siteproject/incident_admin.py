"""Incidents in the admin: opened with what is known, described for readers, moved forward, closed with an outcome."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.forms import ModelForm
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from accounts.proven import ProvenAfresh, person
from compliance import incidents
from compliance.errors import NotOpen
from compliance.models import Incident

STEPS = [(state, label) for state, label in Incident.State.choices if state in ("triaged", "contained", "notified")]
NONE = [("", "---------")]
LARGE = forms.Textarea(attrs={"rows": 4, "cols": 80})


class OpeningForm(forms.ModelForm):
    """What is known at first sight. Words come later."""

    class Meta:
        model = Incident
        fields = ["kind", "severity", "source"]


class IncidentForm(forms.ModelForm):
    """What readers are told, what staff note, and the next step."""

    step = forms.ChoiceField(label=_("It is now"), choices=[*NONE, *STEPS], required=False)
    closing = forms.ChoiceField(
        label=_("Close it as"), choices=[*NONE, *Incident.Outcome.choices], required=False
    )  # fmt: skip

    class Meta:
        model = Incident
        fields = ["summary_en", "summary_fr", "notes"]
        widgets = {"summary_en": LARGE, "summary_fr": LARGE, "notes": LARGE}
        help_texts = {
            "summary_en": _("Everybody reads it on the page of records: no names, nobody’s words."),
            "notes": _("Only staff read it."),
        }

    def clean(self) -> dict[str, Any] | None:
        """Refuse, beside the field, what the act would refuse."""
        cleaned = super().clean() or self.cleaned_data
        incident, step = self.instance, cleaned.get("step")
        order = [str(state) for state in incidents.ORDER]
        if step and order.index(step) <= order.index(incident.state):
            self.add_error("step", _("It has come that far already."))
        told = incident.notified_at or step == Incident.State.NOTIFIED
        if incident.deadline and not told and cleaned.get("closing") == Incident.Outcome.RESOLVED:
            text = _("A breach that nobody was told of is closed with the reason why not, or notified first.")
            self.add_error("closing", text)
        return cleaned


@admin.register(Incident)
class IncidentAdmin(ProvenAfresh):
    actions = None
    list_display = ["opened_at", "kind", "severity", "state", "deadline", "source", "closed_at", "outcome"]
    list_display_links = ["opened_at", "kind"]
    list_filter = ["state", "kind", "severity", "source"]
    search_fields = ["=public_id"]
    shown = [
        "public_id", "kind", "severity", "source", "state", "opened_at", "deadline", "triaged_at", "contained_at",
        "notified_at", "closed_at", "outcome", "switches",
    ]  # fmt: skip

    @admin.display(description=_("stop a model"))
    def switches(self, incident: Incident) -> str:
        """Lead to what stops a model or a backend within a minute."""
        return format_html(
            '<a href="{}">{}</a> · <a href="{}">{}</a>',
            reverse("admin:inference_model_changelist"),
            _("models"),
            reverse("admin:inference_backend_changelist"),
            _("backends"),
        )

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(request, obj, change, **{**kwargs, "form": IncidentForm if obj else OpeningForm})

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        written = ["summary_en", "summary_fr", "notes"]
        if obj is None:
            return ["kind", "severity", "source"]
        return [*self.shown, *written, *(["step", "closing"] if obj.closed_at is None else [])]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return self.shown if obj else []

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        running = obj is None or obj.closed_at is None
        return running and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Incident, form: ModelForm, change: bool) -> None:
        given, by = form.cleaned_data, person(request)
        if not change:
            made = incidents.open_incident(
                kind=given["kind"], severity=given["severity"], source=given["source"], by=by
            )
            obj.pk, obj.public_id, obj.opened_at = made.pk, made.public_id, made.opened_at
            return
        try:
            incidents.describe(obj, **{name: given[name] for name in ("summary_en", "summary_fr", "notes")}, by=by)
            if given["step"]:
                incidents.move(obj, to=given["step"], by=by)
            if given["closing"]:
                incidents.close(obj, outcome=given["closing"], by=by)
        except NotOpen:
            messages.error(request, _("Somebody else has taken it further meanwhile. Look at it again."))
