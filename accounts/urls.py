"""Addresses of signing in. A person's own pages: ``account_urls``."""

from django.urls import path

from accounts import factor_views, proof_views, views

app_name = "accounts"
urlpatterns = [
    path("enter/", views.enter, name="enter"),
    path("code/", views.code, name="code"),
    path("code/send/", views.code_send, name="code-send"),
    path("factor/", views.factor, name="factor"),
    path("passkey/options/", views.passkey_options, name="passkey-options"),
    path("passkey/", views.passkey_enter, name="passkey-enter"),
    path("leave/", views.leave, name="leave"),
    path("staff/<str:token>/", views.staff_enter, name="staff-enter"),
    path("proof/", proof_views.page, name="proof"),
    path("proof/send/", proof_views.send, name="proof-send"),
    path("proof/code/", proof_views.code, name="proof-code"),
    path("proof/factor/", proof_views.factor, name="proof-factor"),
    path("factors/", factor_views.overview, name="factors"),
    path("factors/passkeys/add/", factor_views.passkey_add, name="passkey-add"),
    path("factors/passkeys/<int:pk>/name/", factor_views.passkey_rename, name="passkey-rename"),
    path("factors/app/", factor_views.app_add, name="app-add"),
    path("factors/app/picture.svg", factor_views.app_picture, name="app-picture"),
    path("factors/recovery-codes/", factor_views.recovery_codes, name="recovery-codes"),
    path("factors/recovery-codes/renew/", factor_views.recovery_codes_renew, name="recovery-codes-renew"),
    path("factors/<int:pk>/remove/", factor_views.remove, name="factor-remove"),
]
