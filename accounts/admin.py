"""Staff see who is staff; people's addresses are changed by the people themselves."""

from django.contrib import admin

from accounts.models import User


@admin.register(User)
class UserAdmin(admin.ModelAdmin):
    list_display = ["email", "language", "is_staff", "is_active", "date_joined"]
    list_filter = ["is_staff", "is_active"]
    search_fields = ["email"]
    fields = ["email", "public_id", "language", "is_staff", "is_active", "date_joined", "last_login"]
    readonly_fields = ["email", "public_id", "date_joined", "last_login"]

    def has_add_permission(self, request: object) -> bool:
        return False
