"""Addresses of the evidence, for anybody."""

from django.urls import path

from compliance import views

urlpatterns = [
    path("heads", views.evidence_heads, name="evidence-heads"),
    path("heads.atom", views.evidence_heads_feed, name="evidence-heads-feed"),
    path("chain.jsonl", views.evidence_chain, name="evidence-chain"),
]
