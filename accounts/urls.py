"""Addresses of accounts."""

from django.urls import path

from accounts import views

app_name = "accounts"
urlpatterns = [path("staff/<str:token>/", views.staff_enter, name="staff-enter")]
