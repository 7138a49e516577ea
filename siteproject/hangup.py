"""Tell a view for certain that its client has hung up.

Django cancels the view's task on a disconnect, but a cancellation that falls into one of the thread hops of
asgiref between middlewares can be lost (seen in about one of 50 requests that left within 30 ms), and then an
answer would be written to the end for nobody.
"""

import asyncio

from siteproject.body import App, Receive, Scope, Send


def tell_hang_up(app: App) -> App:
    """Return ``app`` with a future ``scope["gone"]`` on each request, done once the client is gone or was answered."""

    async def told(scope: Scope, receive: Receive, send: Send) -> None:
        gone = asyncio.get_running_loop().create_future()

        async def noted() -> dict[str, object]:
            message = await receive()
            if message["type"] == "http.disconnect" and not gone.done():
                gone.set_result(None)
            return message

        await app({**scope, "gone": gone}, noted, send)

    return told
