"""Addresses of the customer's dashboard."""

from django.urls import include, path

from billing import key_views, usage_views, views

app_name = "billing"
urlpatterns = [
    path("", views.overview, name="overview"),
    path("keys/", key_views.key_list, name="keys"),
    path("keys/make/", key_views.key_make, name="key-make"),
    path("keys/<uuid:public_id>/", key_views.key_edit, name="key-edit"),
    path("keys/<uuid:public_id>/rotate/", key_views.key_rotate, name="key-rotate"),
    path("keys/<uuid:public_id>/revoke/", key_views.key_revoke, name="key-revoke"),
    path("usage/", usage_views.usage_page, name="usage"),
    path("usage/usage.csv", usage_views.usage_csv, name="usage-csv"),
    path("usage/usage.json", usage_views.usage_json, name="usage-json"),
    path("limits/", views.limit_list, name="limits"),
    path("limits/cap/", views.cap_change, name="cap-change"),
    path("billing/", views.plan, name="plan"),
    path("billing/", include("billing.payment_urls")),
]
