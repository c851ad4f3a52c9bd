"""The Celery application; tasks live in each app's tasks.py."""

import os

from celery import Celery

from t2j_site import trace

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "t2j_site.settings")

app = Celery("t2j")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
trace.connect()
