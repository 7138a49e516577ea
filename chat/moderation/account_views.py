"""A person's own flags in their account, and their consent to training with them."""

import uuid

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from accounts.models import User
from accounts.pages import account_page
from chat import retention
from chat.moderation import flags, notice, training_consent
from chat.moderation.errors import FlagUnknown
from chat.moderation.outcomes import outcome_of

PER_PAGE = 50
CHANNEL = "account"


@require_GET
@account_page
def own_flags(request: HttpRequest) -> HttpResponse:
    """What this person flagged, newest first, each with its outcome."""
    page = Paginator(flags.of(_person(request)), PER_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "outcomes": [outcome_of(each) for each in page], "kept": notice.kept()}
    return render(request, "chat/own_flags.html", context)


@require_POST
@account_page
def own_flag_delete(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """Delete the texts of one flag now."""
    person = _person(request)
    try:
        retention.delete_flag(flags.flag_of(person, public_id), actor=person)
    except FlagUnknown as error:
        raise Http404 from error
    messages.success(request, _("What you sent is deleted."))
    return redirect("chat:own-flags")


@require_POST
@account_page
def training_give(request: HttpRequest) -> HttpResponse:
    """Take the person's yes to training with what they flag. Without the tick nothing is given."""
    if request.POST.get("agreed") == "yes":
        language = request.POST.get("language", "")
        if language not in dict(settings.LANGUAGES):
            language = get_language() or settings.LANGUAGE_CODE
        training_consent.give_in_account(_person(request), language, CHANNEL)
    return _back(request)


@require_POST
@account_page
def training_withdraw(request: HttpRequest) -> HttpResponse:
    """Take the person's no: what was taken up leaves the training set."""
    training_consent.withdraw(_person(request).public_id, CHANNEL)
    return _back(request)


def _back(request: HttpRequest) -> HttpResponse:
    wanted = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    ):
        wanted = reverse("account:consents")
    return redirect(wanted)


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user
