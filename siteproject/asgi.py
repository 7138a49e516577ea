"""The ASGI application: the body cap, then Django for HTTP and Channels for sockets."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "siteproject.settings")
django_application = get_asgi_application()

# Django's applications must be loaded before anything of theirs is imported.
from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.conf import settings  # noqa: E402
from django.urls import path  # noqa: E402

from chat.consumers import ChatConsumer  # noqa: E402
from siteproject import lifespan  # noqa: E402
from siteproject.body import limit_body  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": limit_body(django_application, max_bytes=lambda: settings.MAX_BODY_BYTES),
        "websocket": AuthMiddlewareStack(URLRouter([path("ws/chat/", ChatConsumer.as_asgi())])),
        "lifespan": lifespan.application,
    }
)
