"""Addresses of public pages."""

from django.urls import path

from content import views

page_patterns = [
    path("", views.home, name="home"),
    path("knowledge/", views.knowledge_list, name="knowledge-list"),
    path("knowledge/<slug:slug>/", views.knowledge, name="knowledge"),
    path("imprint/", views.imprint, name="imprint"),
]
