"""The ASGI application: the exported site, the hosts, the API, the body cap, then Django, and Channels for sockets."""

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
from inference.api import route  # noqa: E402
from siteproject import lifespan  # noqa: E402
from siteproject.body import App, Receive, Scope, Send, limit_body  # noqa: E402
from siteproject.exported import serve_exported  # noqa: E402
from siteproject.hangup import tell_hang_up  # noqa: E402
from siteproject.hosts import keep_hosts_apart  # noqa: E402


def healthy_by_any_name(app: App) -> App:
    """Let probes ask ``/health`` under whatever name they know this machine by: it tells nothing worth guarding."""

    async def named(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/health":
            others = [(name, value) for name, value in scope["headers"] if name != b"host"]
            scope = {**scope, "headers": [*others, (b"host", settings.ALLOWED_HOSTS[0].encode())]}
        await app(scope, receive, send)

    return named


pages_and_acts = limit_body(
    tell_hang_up(healthy_by_any_name(django_application)), max_bytes=lambda: settings.MAX_BODY_BYTES
)
sockets = AuthMiddlewareStack(URLRouter([path("ws/chat/", ChatConsumer.as_asgi())]))
application = ProtocolTypeRouter(
    {
        "http": serve_exported(keep_hosts_apart(route.in_front_of(pages_and_acts))),
        "websocket": keep_hosts_apart(sockets),
        "lifespan": lifespan.application,
    }
)
