"""What stands in a person's account: pages of any app, and the consents they may give.

The apps above register in ``AppConfig.ready``; nothing here knows them but by the name of an address.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.functional import Promise

from accounts import sessions
from compliance.models import Purpose


@dataclass(frozen=True, slots=True)
class Section:
    """One page of the account: its name in the navigation, one sentence for the overview."""

    title: str | Promise
    url_name: str
    summary: str | Promise
    order: int

    @property
    def url(self) -> str:
        return reverse(self.url_name)


@dataclass(frozen=True, slots=True)
class ConsentBox:
    """A consent a person may give: where yes and no are posted, and the words beside the box in a language."""

    purpose: Purpose
    give: str
    withdraw: str
    wording: Callable[[str], str]


_sections: dict[str, Section] = {}
_boxes: dict[Purpose, ConsentBox] = {}


def section(title: str | Promise, url_name: str, *, summary: str | Promise = "", order: int = 50) -> None:
    """Add a page to the account's navigation. The same name again replaces it."""
    _sections[url_name] = Section(title, url_name, summary, order)


def sections() -> list[Section]:
    """Return all pages of the account in the order in which they are shown."""
    return sorted(_sections.values(), key=lambda each: (each.order, each.url_name))


def consent(purpose: Purpose, *, give: str, withdraw: str, wording: Callable[[str], str]) -> None:
    """Show a consent on the page of consents. ``give`` and ``withdraw`` name addresses that take a POST."""
    _boxes[purpose] = ConsentBox(purpose, give, withdraw, wording)


def consent_boxes() -> list[ConsentBox]:
    return list(_boxes.values())


def account_page(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Let only signed-in people see a page, and note that their session is in use.

    In which language they see it, ``AccountPagesMiddleware`` has decided by then.
    """

    @login_required
    @wraps(view)
    def signed_in(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        sessions.touch(request.session.session_key or "")
        return view(request, *args, **kwargs)

    return signed_in
