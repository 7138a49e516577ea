"""Addresses of the evidence, for anybody; the whole chain is behind a limit (``siteproject.public.evidence_views``)."""

from django.urls import path

from compliance import views

urlpatterns = [
    path("heads", views.evidence_heads, name="evidence-heads"),
    path("heads.atom", views.evidence_heads_feed, name="evidence-heads-feed"),
]
