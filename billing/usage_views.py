"""What a customer used: the page with its charts, and the same as files."""

import datetime
from collections.abc import Callable
from functools import partial

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from django.views.decorators.http import require_GET

from accounts.pages import account_page
from billing import prices, usage
from billing.access import customer_for
from billing.forms import UsageForm
from billing.models import ApiKey, Customer
from billing.models.plans import MICROUSD, MICROUSD_PER_CENT
from billing.pages import page, person
from billing.usage import Usage
from content import charts


@require_GET
@account_page
def usage_page(request: HttpRequest) -> HttpResponse:
    """Sums by day, model and key of the days that were asked for."""
    customer = customer_for(person(request))
    form = _form(request, customer)
    if not form.is_valid():
        return page(request, "usage", here="usage", customer=customer, form=form, status=422)
    found = form.usage(customer.pk)
    return page(
        request,
        "usage",
        here="usage",
        customer=customer,
        form=form,
        usage=found,
        charts=_charts(found) if found.total.calls else [],
        query=request.GET.urlencode(),
    )


@require_GET
@account_page
def usage_csv(request: HttpRequest) -> HttpResponse:
    return _file(
        request, "csv", lambda found: HttpResponse(usage.as_csv(found), content_type="text/csv; charset=utf-8")
    )


@require_GET
@account_page
def usage_json(request: HttpRequest) -> HttpResponse:
    return _file(request, "json", lambda found: JsonResponse(usage.as_json(found), json_dumps_params={"indent": 1}))


def _file(request: HttpRequest, ending: str, written: Callable[[Usage], HttpResponse]) -> HttpResponse:
    customer = customer_for(person(request))
    form = _form(request, customer)
    if not form.is_valid():
        problems = "\n".join(str(error) for errors in form.errors.values() for error in errors)
        return HttpResponse(problems, status=422, content_type="text/plain; charset=utf-8")
    found = form.usage(customer.pk)
    response = written(found)
    response["Content-Disposition"] = f'attachment; filename="usage-{found.first}-{found.last}.{ending}"'
    return response


def _form(request: HttpRequest, customer: Customer) -> UsageForm:
    today = timezone.now().astimezone(datetime.UTC).date()
    listed = list(ApiKey.objects.filter(customer_id=customer.pk))
    return UsageForm(request.GET, keys=listed, models=sorted(prices.read()), today=today)


def _charts(found: Usage) -> list[SafeString]:
    days = [date_format(line.day, "j M") for line in found.days if line.day]
    sums = [line.sums for line in found.days]
    most = max((each.cost_microusd for each in sums), default=0)
    # Below a cent the axis has no room for the zeros.
    unit, size = ("USD", MICROUSD) if most >= MICROUSD_PER_CENT else ("µUSD", 1)
    costs = [each.cost_microusd / size for each in sums]
    energy = [each.energy for each in sums]
    parts = partial(charts.stacked_bars, days)
    return [
        charts.bars(
            days, costs, name="cost", title=_("Cost by day"), column=unit, unit=unit, decimals=_decimals(costs)
        ),
        parts(
            {
                pgettext("calls", "complete"): [each.complete for each in sums],
                pgettext("calls", "client left"): [each.aborted for each in sums],
                pgettext("calls", "errors"): [each.errors for each in sums],
            },
            name="calls",
            title=_("Calls by day"),
        ),
        parts(
            {
                pgettext("tokens", "read"): [each.prompt_tokens for each in sums],
                pgettext("tokens", "written"): [each.completion_tokens for each in sums],
            },
            name="tokens",
            title=_("Tokens by day"),
        ),
        charts.quantile_band(
            days,
            [each.low for each in energy],
            [each.mid for each in energy],
            [each.high for each in energy],
            name="energy",
            title=_("Energy by day, a modelled range"),
            columns=(
                pgettext("an estimate", "low"),
                pgettext("an estimate", "middle"),
                pgettext("an estimate", "high"),
            ),
            unit="Wh",
            decimals=_decimals([each.mid for each in energy]),
        ),
    ]


def _decimals(numbers: list[float]) -> int:
    """Return how many places tell the figures of a column apart."""
    most = max(numbers, default=0.0)
    return 0 if most >= 1000 else 2 if most >= 10 else 4 if most >= 0.01 else 6
