"""The stand-in for Stripe in this process, for tests that look into it."""
