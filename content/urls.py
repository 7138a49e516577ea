"""Addresses of public pages; the last takes what no other wants, so it stays the last."""

from django.urls import path

from content import views
from content.machine_urls import feed_patterns

page_patterns = [
    path("", views.home, name="home"),
    path("blog/", views.blog, name="blog"),
    *feed_patterns,
    path("blog/archive/", views.archive, name="archive"),
    path("blog/topics/<slug:slug>/", views.topic, name="topic"),
    path("blog/<slug:slug>/", views.post, name="post"),
    path("knowledge/", views.knowledge_list, name="knowledge-list"),
    path("knowledge/<slug:slug>/", views.knowledge, name="knowledge"),
    path("method/", views.method, name="method"),
]
document_patterns = [
    path("<slug:slug>/", views.page, name="page"),
]
