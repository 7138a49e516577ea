"""The ASGI application: the body cap, then Django for HTTP and Channels for sockets."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "siteproject.settings")
django_application = get_asgi_application()

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402 - Django's apps must be loaded first
from django.conf import settings  # noqa: E402
from django.urls import path  # noqa: E402

from chat.consumers import ChatConsumer  # noqa: E402
from siteproject import lifespan  # noqa: E402
from siteproject.body import limit_body  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": limit_body(django_application, max_bytes=lambda: settings.MAX_BODY_BYTES),
        "websocket": URLRouter([path("ws/chat/", ChatConsumer.as_asgi())]),
        "lifespan": lifespan.application,
    }
)
