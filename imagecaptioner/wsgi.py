"""WSGI entry point. Loads the model when the server process starts."""

import os

from django.core.wsgi import get_wsgi_application

from captioning import engine

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imagecaptioner.settings")
application = get_wsgi_application()
engine.start()
