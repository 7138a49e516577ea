"""Addresses of the way to the team; part of the chat's."""

from django.urls import path

from chat.contact import views

urlpatterns = [
    path("api/contact", views.api_contact, name="api-contact"),
    path("live/<language:language>/contact/", views.contact_form, name="contact"),
    path("live/<language:language>/contact/send/", views.contact_send, name="contact-send"),
    path("live/<language:language>/messages/", views.own_message, name="messages"),
    path("live/<language:language>/messages/delete/", views.own_message_delete, name="messages-delete"),
]
