#!/usr/bin/env python3
"""Django's command line, for the stack that runs in this folder or the one the environment names."""

import os
import sys

from siteproject.stack import environment

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "siteproject.settings")
    environment.require_stack(sys.argv)

    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
