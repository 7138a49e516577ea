"""Addresses of a person's own pages."""

from django.urls import path

from accounts import account_views as views

app_name = "account"
urlpatterns = [
    path("", views.overview, name="overview"),
    path("profile/", views.profile_page, name="profile"),
    path("language/", views.language_change, name="language-change"),
    path("sessions/", views.session_list, name="sessions"),
    path("sessions/end-others/", views.sessions_end_others, name="sessions-end-others"),
    path("sessions/<uuid:public_id>/end/", views.session_end, name="session-end"),
    path("consents/", views.consent_page, name="consents"),
    path("export/", views.export_page, name="export"),
    path("export/request/", views.export_request, name="export-request"),
    path("export/<str:token>/", views.export_file, name="export-file"),
    path("export/<str:token>/fetch/", views.export_fetch, name="export-fetch"),
    path("erase/", views.erase_page, name="erase"),
    path("erased/", views.erased_page, name="erased"),
]
