"""Attesting in the admin: a person reads a statement, types their name, and signs it for the newest release.

Whoever signs or withdraws has just proven that it is them. Names are shown here and nowhere else.
"""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.forms import ModelForm
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from accounts.proof import fresh_proof_required
from accounts.proven import ProvenAfresh, person
from compliance import attestations, literacy
from compliance.attestations import Signing
from compliance.errors import AlreadyAttested, CannotAttest, NothingToSign, UnknownStatement
from compliance.models import Attestation, AttestingRole, LiteracySession, WithdrawalReason
from compliance.statements import statements


class SigningForm(forms.Form):
    """Who signs, in which role, and that they have read it."""

    name = forms.CharField(
        label=_("Your name"),
        max_length=120,
        help_text=_("Kept in a table that only staff can read. In public stand your role and a digest."),
    )
    role = forms.ChoiceField(label=_("Your role"))
    read = forms.BooleanField(label=_("I have read the statement, and it is true."))

    def __init__(self, *args: Any, signed: Signing, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        roles = signed.statement.roles or tuple(AttestingRole.values)
        labels = dict(AttestingRole.choices)
        self.fields["role"].choices = [(role, labels[role]) for role in roles]  # type: ignore[attr-defined]


class WithdrawalForm(forms.ModelForm):
    """Take an attestation back, with a reason."""

    withdrawal_reason = forms.ChoiceField(
        label=_("Withdraw, because"), choices=[("", "---------"), *WithdrawalReason.choices]
    )

    class Meta:
        model = Attestation
        fields = ["withdrawal_reason"]


@admin.register(Attestation)
class AttestationAdmin(ProvenAfresh):
    form = WithdrawalForm
    actions = None
    change_list_template = "admin/compliance/attestation/change_list.html"
    list_display = ["attested_at", "statement", "role", "name", "release", "expires_at", "withdrawn_at"]
    list_display_links = ["attested_at", "statement"]
    list_filter = ["statement", "role", ("withdrawn_at", admin.EmptyFieldListFilter)]
    readonly_fields = [
        "statement", "name", "role", "release", "attested_at", "expires_at", "withdrawn_at", "statement_sha256",
        "signed_off", "evidence",
    ]  # fmt: skip
    fields = [*readonly_fields, "withdrawal_reason"]

    def get_urls(self) -> list[URLPattern]:
        attest = self.admin_site.admin_view(fresh_proof_required(self.attest_view))
        return [path("attest/<slug:id>/", attest, name="compliance_attestation_attest"), *super().get_urls()]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """It begins with a statement, so that nobody signs one they have not seen."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        standing = obj is None or obj.withdrawn_at is None
        return standing and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        rows = [{"statement": each, "outcome": attestations.outcome(each)} for each in statements()]
        title = capfirst(self.opts.verbose_name_plural)
        extra = {"statements": rows, "may_attest": self._may_attest(request), "title": title}
        return super().changelist_view(request, {**(extra_context or {}), **extra})

    def attest_view(self, request: HttpRequest, id: str) -> HttpResponse:
        """Show a statement with what is signed by it, and sign it."""
        if not self._may_attest(request):
            raise PermissionDenied
        back = redirect(reverse("admin:compliance_attestation_changelist"))
        try:
            signed = attestations.signing(id)
        except UnknownStatement as error:
            raise Http404 from error
        except NothingToSign:
            messages.error(request, _("No release is on record: manage.py record_release NAME comes first."))
            return back
        form = SigningForm(request.POST or None, signed=signed)
        if request.method == "POST" and form.is_valid():
            try:
                attestations.attest(
                    id, person=person(request), name=form.cleaned_data["name"], role=form.cleaned_data["role"]
                )
            except AlreadyAttested:
                messages.warning(request, _("Your attestation of this statement still counts; nothing was added."))
            except CannotAttest:
                messages.error(request, _("It has changed meanwhile. Read it again."))
            else:
                messages.success(request, _("Attested, and on record."))
            return back
        context = {
            **self.admin_site.each_context(request),
            "title": signed.statement.title,
            "opts": self.opts,
            "signed": signed,
            "form": form,
        }
        return TemplateResponse(request, "admin/compliance/attestation/attest.html", context)

    def save_model(self, request: HttpRequest, obj: Attestation, form: ModelForm, change: bool) -> None:
        if not attestations.withdraw(obj, by=person(request), reason=form.cleaned_data["withdrawal_reason"]):
            messages.warning(request, _("It was withdrawn before."))

    def _may_attest(self, request: HttpRequest) -> bool:
        return request.user.has_perm("compliance.add_attestation")


@admin.register(LiteracySession)
class LiteracySessionAdmin(ProvenAfresh):
    """Sessions are written down once; what is on record is not changed."""

    actions = None
    list_display = ["held_on", "audience", "content_version", "attendance", "owner", "refresh_by"]
    list_filter = ["audience"]
    fields = ["held_on", "audience", "content_version", "attendance", "owner"]

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: LiteracySession, form: ModelForm, change: bool) -> None:
        made = literacy.hold(**form.cleaned_data, by=person(request))
        obj.pk, obj.evidence = made.pk, made.evidence
