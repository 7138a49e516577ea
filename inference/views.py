"""The method behind the figures on receipts."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.gzip import gzip_page

from inference.energy import PUE, WATTS_PER_THREAD


@gzip_page
def method(request: HttpRequest) -> HttpResponse:
    context = {"watts": WATTS_PER_THREAD, "pue": PUE, "machine_usd_per_month": settings.MACHINE_USD_PER_MONTH}
    return render(request, "content/method.html", context)
