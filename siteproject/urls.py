"""All addresses: public pages in each language, the application's own paths without a language."""

from django.conf import settings
from django.conf.urls.i18n import i18n_patterns
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.templatetags.static import static
from django.urls import include, path, register_converter

import accounts.views
import billing.payment_views
import chat.views
import content.machine_urls
import content.urls
import inference.price_views
import inference.views
from siteproject import errors
from siteproject.converters import LanguageConverter

register_converter(LanguageConverter, "language")


async def health(request: HttpRequest) -> JsonResponse:
    """Say that this process answers, and nothing else."""
    return JsonResponse({"status": "ok"})


def favicon(request: HttpRequest) -> HttpResponse:
    """Browsers ask here on pages that name no icon, such as the admin's."""
    return redirect(static("icons/favicon.svg"))


# Translated addresses can only stand at the root, so pages of other apps join the one namespace of pages here.
public = [
    *content.urls.page_patterns,
    path("chat/", chat.views.page, name="chat"),
    *content.urls.document_patterns,
]

urlpatterns = [
    path("health", health, name="health"),
    path("api/facts", inference.views.facts, name="facts"),
    path("api/prices", inference.price_views.prices, name="prices"),
    path("live/<language:language>/prices/", inference.price_views.prices_page, name="prices-page"),
    path("api/stripe/webhook", billing.payment_views.webhook, name="stripe-webhook"),
    path("api/evidence/", include("compliance.urls")),
    path("accounts/", include("accounts.urls")),
    path("account/", include("accounts.account_urls")),
    path("account/api/", include("billing.urls")),
    # Nobody has a password, so the admin's own form would only be something to guess at.
    path("admin/login/", accounts.views.staff_login, name="admin-login"),
    path("admin/", admin.site.urls),
    *content.machine_urls.machine_patterns,
    path("favicon.ico", favicon),
    path("", include("content.search_urls")),
    path("", include("siteproject.public.urls")),
    path("", include("chat.urls")),
    *i18n_patterns(path("", include((public, "content"))), prefix_default_language=False),
]
if settings.DEBUG:
    urlpatterns.insert(0, path("design/", errors.design, name="design"))

handler400 = errors.bad_request
handler403 = errors.forbidden
handler404 = errors.not_found
handler500 = errors.server_error
