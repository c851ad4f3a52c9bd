#!/usr/bin/env python
"""Django's command line; `./t2j manage` calls it with the services running."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "t2j_site.settings")
    execute_from_command_line(sys.argv)
