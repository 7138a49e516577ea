"""Addresses of the chat. Its page stands with the public ones, in the project's urls."""

from django.urls import include, path

from chat import conversation_views, views

app_name = "chat"
urlpatterns = [
    path("", include("chat.moderation.urls")),
    path("", include("chat.contact.urls")),
    path("api/chat", views.chat, name="ask"),
    path("api/status", views.status, name="api-status"),
    path("api/me", views.me, name="me"),
    path("live/<language:language>/chat/", views.live, name="live"),
    path("live/<language:language>/status/", views.status_page, name="status"),
    path("account/conversations/", conversation_views.conversation_list, name="conversations"),
    path("account/conversations/delete/", conversation_views.conversations_delete, name="conversations-delete"),
    path("account/conversations/<uuid:public_id>/", conversation_views.conversation, name="conversation"),
    path(
        "account/conversations/<uuid:public_id>/rename/",
        conversation_views.conversation_rename,
        name="conversation-rename",
    ),
    path(
        "account/conversations/<uuid:public_id>/delete/",
        conversation_views.conversation_delete,
        name="conversation-delete",
    ),
    path("account/consent/keep-chats/give/", conversation_views.consent_give, name="consent-give"),
    path("account/consent/keep-chats/withdraw/", conversation_views.consent_withdraw, name="consent-withdraw"),
    path("account/api/conversations/", conversation_views.api_conversations, name="api-conversations"),
    path("account/api/conversations/<uuid:public_id>/", conversation_views.api_conversation, name="api-conversation"),
]
