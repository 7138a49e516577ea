"""Addresses of paying, under the customer's dashboard: included by ``billing.urls``."""

from django.urls import path

from billing import payment_views as views

urlpatterns = [
    path("checkout/", views.checkout, name="checkout"),
    path("portal/", views.portal, name="portal"),
    path("change/", views.plan_change, name="plan-change"),
    path("cancel/", views.plan_cancel, name="plan-cancel"),
    path("resume/", views.plan_resume, name="plan-resume"),
    path("return/", views.payment_return, name="payment-return"),
]
