"""A stand-in for Stripe on loopback, for tests and for ``bin/up --with-test-payments``.

It speaks the calls that we make as Stripe's own SDK makes them, checks their parameters against the SDK's types and
the version of the API, keeps them for tests to look at, answers with canned objects, has a page to pay on and a page
of the customer, each with two buttons, and sends signed messages. It computes no tax, no proration and no invoice.

``forms`` what a body says · ``parameters`` whether a call may say it · ``objects`` the canned objects ·
``calls`` how one is answered · ``customers`` and ``goods`` the answers · ``messages`` webhooks · ``scenarios`` what
happens without us · ``pages`` · ``server``
"""
