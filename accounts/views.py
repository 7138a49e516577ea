"""Pages about people. For now: the door to the admin."""

from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from accounts import staff
from accounts.errors import LinkRefused


@require_GET
def staff_login(request: HttpRequest) -> HttpResponse:
    """Say how staff get in: by a link, never by a password."""
    return render(request, "accounts/staff_enter.html", {"needed": True}, status=403)


@require_http_methods(["GET", "POST"])
def staff_enter(request: HttpRequest, token: str) -> HttpResponse:
    """Show a button, then sign in: a preview that merely fetches the link does not use it up."""
    if request.method == "GET":
        return render(request, "accounts/staff_enter.html")
    try:
        user = staff.redeem(token)
    except LinkRefused:
        return render(request, "accounts/staff_enter.html", {"refused": True}, status=403)
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    return redirect("admin:index")
