"""Rows of the workbench that only somebody may change who has just proven who they are."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator

from accounts.proof import fresh_proof_required
from compliance import audit


@method_decorator(fresh_proof_required, name="changeform_view")
class ProvenAfresh(admin.ModelAdmin):
    """Rows that decide what may be spent: who changes one has proven within half an hour that it is them.

    The form asks before it opens, so that nothing typed is lost; the list is for everybody on the staff to read.
    """

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        shown = super().changelist_view
        if request.method != "POST":
            return shown(request, extra_context)
        return fresh_proof_required(shown)(request, extra_context)


def person(request: HttpRequest) -> audit.Person:
    """Return who is signed in: the admin lets nobody else come this far."""
    return request.user  # type: ignore[return-value]
