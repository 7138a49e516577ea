"""Addresses of what anybody may look up and check; they belong to the application, no static edge answers them."""

from django.urls import path

from siteproject.public import evidence_views, transparency_views, verify_views

urlpatterns = [
    path("api/evidence/chain.jsonl", evidence_views.chain, name="evidence-chain"),
    path("api/transparency", transparency_views.transparency, name="api-transparency"),
    path("live/<language:language>/transparency/", transparency_views.page, name="records"),
    path("api/verify", verify_views.api, name="api-verify"),
    path("live/<language:language>/verify/", verify_views.page, name="verify"),
]
