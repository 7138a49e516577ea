"""Error pages: one JSON shape for machines, a page in the reader's language for people."""

import re

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

MACHINES = re.compile(r"^/(api|v1|health|account/api)\b")


def problem(request: HttpRequest, status: int, code: str, title: str, message: str) -> HttpResponse:
    """Return an error in the shape that suits who asked."""
    request_id = getattr(request, "request_id", None)
    if MACHINES.match(request.path):
        return JsonResponse({"error": {"code": code, "message": message, "request_id": request_id}}, status=status)
    context = {"code": status, "title": title, "message": message, "request_id": request_id}
    return render(request, "error.html", context, status=status)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return problem(
        request, 400, "invalid", _("This request is not valid"), _("The address or the form was not as expected.")
    )


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return problem(request, 403, "forbidden", _("Not allowed"), _("You may not open this page."))


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return problem(request, 404, "not_found", _("Nothing here"), _("There is no page at this address."))


def unavailable(request: HttpRequest) -> HttpResponse:
    """A store is away: nothing was lost, and waiting helps."""
    response = problem(
        request,
        503,
        "unavailable",
        _("Not available right now"),
        _("A part of the site is restarting. Please try again in a few seconds."),
    )
    response["Retry-After"] = "5"
    return response


def server_error(request: HttpRequest) -> HttpResponse:
    """Return the page for our own faults; when that page itself is the fault, a plain line."""
    title, message = _("Something went wrong"), _("The fault is ours and has been noted. Please try again.")
    try:
        return problem(request, 500, "error", title, message)
    except Exception:
        return HttpResponse(f"{title}. {message}", status=500, content_type="text/plain; charset=utf-8")


def design(request: HttpRequest) -> HttpResponse:
    """The component page of the design system, with ``bin/up --debug`` only."""
    return render(request, "design.html")
