"""The page to pay on and the customer's page, with two buttons each: plain, and saying that they are not real."""

from html import escape

from siteproject.stack.test_payments.calls import Calls
from siteproject.stack.test_payments.objects import Object

PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title></head>
<body><main>
<h1>{title}</h1>
<p>This is no real payment page: nothing is charged, and no card is asked for.</p>
{body}
</main></body>
</html>
"""


def checkout(calls: Calls, session: Object, *, failed: bool = False) -> str:
    """Return the page to pay on."""
    names = [
        calls.objects.get("prices", line["price"])["lookup_key"] or line["price"] for line in session["line_items"]
    ]
    lines = "".join(f"<li>{escape(name)}</li>" for name in names)
    said = '<p role="alert">The card was declined.</p>' if failed else ""
    body = f"""{said}<ul>{lines}</ul>
<form method="post" action="/checkout/{session["id"]}/pay"><button>Pay</button></form>
<form method="post" action="/checkout/{session["id"]}/fail"><button>Pay with a card that fails</button></form>
<p><a href="{escape(session["cancel_url"])}">Back without paying</a></p>"""
    return PAGE.format(title="Test payment", body=body)


def portal(session: Object, held: Object | None) -> str:
    """Return the customer's page."""
    state = f"<p>Your subscription is {escape(held['status'])}.</p>" if held else "<p>You have no subscription.</p>"
    body = f"""{state}
<form method="post" action="/portal/{session["id"]}/cancel"><button>Cancel the subscription</button></form>
<form method="post" action="/portal/{session["id"]}/back"><button>Back</button></form>"""
    return PAGE.format(title="Test customer page", body=body)
