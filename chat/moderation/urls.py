"""Addresses of flags; part of the chat's."""

from django.urls import path

from chat.moderation import account_views, views

urlpatterns = [
    path("api/flags", views.api_flags, name="api-flags"),
    path("live/<language:language>/flag/", views.flag, name="flag"),
    path("live/<language:language>/flag/send/", views.flag_send, name="flag-send"),
    path("live/<language:language>/flags/", views.flag_outcome, name="flags"),
    path("live/<language:language>/flags/delete/", views.flag_delete, name="flag-delete"),
    path("live/<language:language>/flags/training/", views.flag_training_withdraw, name="flag-training-withdraw"),
    path("account/flags/", account_views.own_flags, name="own-flags"),
    path("account/flags/<uuid:public_id>/delete/", account_views.own_flag_delete, name="own-flag-delete"),
    path("account/consent/train-on-flags/give/", account_views.training_give, name="training-give"),
    path("account/consent/train-on-flags/withdraw/", account_views.training_withdraw, name="training-withdraw"),
]
