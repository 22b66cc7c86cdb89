"""ASGI entry point. Loads the model when the server process starts."""

import os

from django.core.asgi import get_asgi_application

from captioning import engine

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imagecaptioner.settings")
application = get_asgi_application()
engine.start()
