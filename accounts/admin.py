"""Staff see who is staff; people's addresses are changed by the people themselves."""

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.db import transaction
from django.forms import ModelForm
from django.http import HttpRequest

from accounts import job_admin, sessions  # noqa: F401 - job_admin registers the lists of jobs
from accounts.models import User
from compliance import audit

# allauth brings pages for these: a table that stays empty here, and the secrets of people's second factors.
admin.site.unregister([EmailAddress, Authenticator])


@admin.register(User)
class UserAdmin(admin.ModelAdmin):
    list_display = ["email", "language", "is_staff", "is_active", "date_joined"]
    list_filter = ["is_staff", "is_active"]
    search_fields = ["email"]
    fields = ["email", "public_id", "language", "is_staff", "is_active", "date_joined", "last_login"]
    readonly_fields = ["email", "public_id", "language", "is_staff", "date_joined", "last_login"]

    def has_add_permission(self, request: object) -> bool:
        return False

    def has_delete_permission(self, request: object, obj: object = None) -> bool:
        """People leave through the closing of their account, which tells them, counts, and leaves nothing behind."""
        return False

    @transaction.atomic
    def save_model(self, request: HttpRequest, obj: User, form: ModelForm, change: bool) -> None:
        """Save the one thing that staff may change here, whether the account is open, and write it down.

        Whoever is switched off is signed out everywhere, open sockets too, and stays so when switched on again.
        """
        super().save_model(request, obj, form, change)
        if "is_active" in form.changed_data and isinstance(request.user, User):
            if not obj.is_active:
                sessions.end_all(obj, actor=request.user)
            audit.record(
                "user.switched",
                actor=request.user,
                object_kind="user",
                object_id=obj.public_id,
                before={"active": not obj.is_active},
                after={"active": obj.is_active},
            )
