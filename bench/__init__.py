"""Programs that measure. They read settings and content, so Django is set up before any of them."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "siteproject.settings")
django.setup()
