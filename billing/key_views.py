"""A customer's API keys: listed, made, changed, rotated, revoked. A key's text is in one response and nowhere else."""

import uuid
from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from accounts.pages import account_page
from accounts.proof import fresh_proof_required
from billing import keys, limits, prices
from billing.access import customer_for, key_for
from billing.errors import NotAllowed
from billing.forms import KeyForm, RotateForm
from billing.models import ApiKey
from billing.models.keys import Scope
from billing.pages import page, person, posted

ENDED_SHOWN = 50
ONCE = "keys_made"  # in the session: the forms that were used, so that loading a page again makes no second key
ONCE_KEPT = 20


@dataclass(frozen=True, slots=True)
class Shown:
    """A key with what became of it: ``working``, ``rotated`` (its grace runs), ``expired`` or ``revoked``."""

    key: ApiKey
    state: str

    @property
    def scopes(self) -> list[str]:
        """What it may be used for, in words."""
        return [str(Scope(name).label) for name in self.key.scopes if name in Scope.values]


def _shown(key: ApiKey) -> Shown:
    if key.revoked_at is not None:
        return Shown(key, "revoked")
    if key.expires_at is not None and key.expires_at <= timezone.now():
        return Shown(key, "expired")
    return Shown(key, "rotated" if key.successor_id else "working")


@require_GET
@account_page
def key_list(request: HttpRequest) -> HttpResponse:
    """Every key that works, newest first; below, those that have ended."""
    customer = customer_for(person(request))
    working = ApiKey.objects.working().filter(customer_id=customer.pk)
    ended = ApiKey.objects.filter(customer_id=customer.pk).exclude(pk__in=working.values("pk"))
    return page(
        request,
        "keys",
        here="keys",
        customer=customer,
        working=[_shown(key) for key in working],
        ended=[_shown(key) for key in ended.order_by("-pk")[:ENDED_SHOWN]],
        max_keys=keys.MAX_KEYS,
    )


@require_http_methods(["GET", "POST"])
@account_page
@fresh_proof_required
def key_make(request: HttpRequest) -> HttpResponse:
    """Take a name and limits, and show the new key this once."""
    customer = customer_for(person(request))
    once = request.POST.get("once", "") or uuid.uuid4().hex
    used = request.session.get(ONCE, [])
    if once in used:
        messages.info(request, _("This key has been made already. It was shown that once; make another if it is lost."))
        return redirect("billing:keys")
    form = KeyForm(posted(request), customer=customer, models=_models())
    if request.method == "POST" and form.is_valid():
        buyer = keys.customer_of(person(request))
        try:
            key, text = keys.make(buyer, form.cleaned_data["name"], actor=person(request), **form.limits())
        except NotAllowed:
            form.add_error(None, _("You have as many keys as an account may have. Revoke one first."))
        else:
            request.session[ONCE] = [*used[-ONCE_KEPT:], once[:32]]
            return page(request, "key_made", here="keys", customer=buyer, key=key, text=text)
    status = 422 if form.is_bound else 200
    return page(request, "key_form", here="keys", customer=customer, form=form, once=once, status=status)


@require_http_methods(["GET", "POST"])
@account_page
@fresh_proof_required
def key_edit(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """Change a key that works and has no successor."""
    key = key_for(person(request), public_id)
    if _shown(key).state != "working":
        messages.info(request, _("This key is at its end and cannot be changed any more."))
        return redirect("billing:keys")
    form = KeyForm(posted(request), customer=key.customer, models=_models(), key=key)
    if request.method == "POST" and form.is_valid():
        limits.change_key(key, actor=person(request), name=form.cleaned_data["name"], **form.limits())
        messages.success(request, _("The key is changed. Every server knows within seconds."))
        return redirect("billing:keys")
    status = 422 if form.is_bound else 200
    return page(request, "key_form", here="keys", customer=key.customer, form=form, key=key, status=status)


@require_http_methods(["GET", "POST"])
@account_page
@fresh_proof_required
def key_rotate(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """Ask how long the old key still works, and show its successor this once."""
    key = key_for(person(request), public_id)
    if _shown(key).state != "working":
        return _not_rotatable(request)
    form = RotateForm(posted(request))
    if not form.is_valid():
        status = 422 if form.is_bound else 200
        return page(request, "key_rotate", here="keys", customer=key.customer, key=key, form=form, status=status)
    try:
        new, text = keys.rotate(key, actor=person(request), grace=form.grace_period())
    except NotAllowed:  # somebody was faster
        return _not_rotatable(request)
    key.refresh_from_db()
    return page(request, "key_made", here="keys", customer=key.customer, key=new, text=text, old=key)


@require_http_methods(["GET", "POST"])
@account_page
def key_revoke(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """Ask once more, then end a key. Needs no fresh proof: whoever has lost a key is in a hurry."""
    key = key_for(person(request), public_id)
    if request.method == "GET" and key.revoked_at is None:
        return page(request, "key_revoke", here="keys", customer=key.customer, key=key)
    if request.method == "POST":
        keys.revoke(key, actor=person(request))
        messages.success(request, _("The key is revoked. Every server refuses it within seconds."))
    return redirect("billing:keys")


def _not_rotatable(request: HttpRequest) -> HttpResponse:
    messages.info(request, _("This key has a successor already, or has ended."))
    return redirect("billing:keys")


def _models() -> list[str]:
    return sorted(prices.read())
