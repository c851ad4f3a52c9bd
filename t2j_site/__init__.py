"""The site: settings, queue, addresses, and the services it starts by itself."""

from t2j_site.celery import app as celery_app

__all__ = ["celery_app"]
