"""Flags, the people who decide about them, and what follows from a decision."""
