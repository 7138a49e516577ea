"""Addresses of the chat. Its page stands with the public ones, in the project's urls."""

from django.urls import path

from chat import views

app_name = "chat"
urlpatterns = [
    path("api/chat", views.chat, name="ask"),
    path("api/status", views.status, name="api-status"),
    path("api/me", views.me, name="me"),
    path("live/<language:language>/chat/", views.live, name="live"),
    path("live/<language:language>/status/", views.status_page, name="status"),
]
