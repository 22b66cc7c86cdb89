"""Project settings. All have defaults; environment variables override what differs per machine.

The variables are DEBUG, SECRET_KEY, ALLOWED_HOSTS, CSRF_TRUSTED_ORIGINS, HTTPS,
CAPTIONER_CHECKPOINT, API_ANONYMOUS, MEDIA_ROOT, LOG_LEVEL, and for email EMAIL_HOST, EMAIL_PORT,
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD, EMAIL_USE_TLS and DEFAULT_FROM_EMAIL.
https://docs.djangoproject.com/en/5.2/ref/settings/
"""

import os
import warnings
from pathlib import Path

from imagecaptioner.environment import (
    read_bool,
    read_choice,
    read_int,
    read_list,
    read_path,
    read_secret_key,
)

BASE_DIR = Path(__file__).resolve().parent.parent

# Captioning

CAPTIONER_CHECKPOINT = read_path(
    "CAPTIONER_CHECKPOINT", default=BASE_DIR / "pytorch" / "shipped" / "everyday"
)

# Whether the API, like the pages, serves callers without an account.
API_ANONYMOUS = read_bool("API_ANONYMOUS", default=True)

# Application

DEBUG = read_bool("DEBUG", default=False)
INSTALLED_APPS = [
    # Makes `runserver` leave static files to WhiteNoise, as in production.
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "ninja",  # for the static files of the API documentation
    "accounts",
    "captioning",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "imagecaptioner.middleware.content_security_policy",
    "captioning.api.problems.problems_for_programs",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "captioning.library.owners.visitor_cookie",
]
ROOT_URLCONF = "imagecaptioner.urls"
WSGI_APPLICATION = "imagecaptioner.wsgi.application"
ASGI_APPLICATION = "imagecaptioner.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,  # for the admin's pages
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": BASE_DIR / "db.sqlite3",
        # Several threads write. In WAL mode, writers do not block readers. An IMMEDIATE transaction
        # takes the write lock first and waits for it; one that reads first and then writes would
        # fail with "database is locked" if another had written in between.
        "OPTIONS": {
            "timeout": 20,  # seconds
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;",
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en"
USE_I18N = False
TIME_ZONE = "UTC"

# Accounts

LOGIN_URL = "accounts:log_in"
LOGIN_REDIRECT_URL = "captioning:gallery"
LOGOUT_REDIRECT_URL = "captioning:index"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
# Password reset emails. Without an email server they are printed to the console.
EMAIL_HOST = os.environ.get("EMAIL_HOST", "")
EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if EMAIL_HOST else 'console'}.EmailBackend"
EMAIL_PORT = read_int("EMAIL_PORT", default=25, minimum=1, maximum=65535)
EMAIL_HOST_USER = os.environ.get("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD = os.environ.get("EMAIL_HOST_PASSWORD", "")
EMAIL_USE_TLS = read_bool("EMAIL_USE_TLS", default=False)
DEFAULT_FROM_EMAIL = os.environ.get("DEFAULT_FROM_EMAIL") or "webmaster@localhost"

# Uploads. The first handler limits what the others keep in memory and on disk.

FILE_UPLOAD_HANDLERS = [
    "captioning.uploads.BoundedUploadHandler",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]

# Pictures in libraries. No URL serves this folder; only views that check access read it.

MEDIA_ROOT = read_path("MEDIA_ROOT", default=BASE_DIR / "media")

# Static files

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "imagecaptioner.storage.StaticStorage"},
}
# Before `collectstatic` has run, files are served from their source folders (see StaticStorage).
# WhiteNoise need not warn that STATIC_ROOT is missing.
WHITENOISE_USE_FINDERS = True
warnings.filterwarnings("ignore", message="No directory at")

# Security

SECRET_KEY = read_secret_key("SECRET_KEY", file=BASE_DIR / ".secret-key")
ALLOWED_HOSTS = read_list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = read_list("CSRF_TRUSTED_ORIGINS")
CSRF_COOKIE_HTTPONLY = True
# For a server behind a proxy that terminates TLS and always sets X-Forwarded-Proto itself.
if read_bool("HTTPS", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    CSRF_COOKIE_SECURE = True
    SESSION_COOKIE_SECURE = True

# Logging, to stderr. Django's default logs nothing to the console unless DEBUG is on.

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {
        "handlers": ["stderr"],
        "level": read_choice(
            "LOG_LEVEL", default="INFO", choices=["DEBUG", "INFO", "WARNING", "ERROR"]
        ),
    },
    "loggers": {"django": {"handlers": [], "level": "INFO"}},
}
