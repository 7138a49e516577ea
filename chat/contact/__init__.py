"""Reaching the people behind the site, through the chat alone."""
