"""Attacks on our own assistant: garak's probes in an environment of its own, and cases of ours in every language."""
