"""Reads the settings in a new process, since they depend on its environment."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMES = "DEBUG SECRET_KEY ALLOWED_HOSTS CSRF_TRUSTED_ORIGINS HTTPS CAPTIONER_CHECKPOINT"
NAMES += " MEDIA_ROOT LOG_LEVEL EMAIL_HOST API_ANONYMOUS"


def read_settings(**environment):
    bare = {name: value for name, value in os.environ.items() if name not in NAMES.split()}
    script = """
import json, sys
from imagecaptioner import settings
names = [name for name in dir(settings) if name.isupper()]
json.dump({name: getattr(settings, name) for name in names}, sys.stdout, default=str)
"""
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=bare | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def defaults():
    return json.loads(read_settings(SECRET_KEY="for this test").stdout)


def test_debug_is_off_unless_asked_for(defaults):
    assert defaults["DEBUG"] is False
    assert json.loads(read_settings(SECRET_KEY="x", DEBUG="1").stdout)["DEBUG"] is True


def test_only_this_machine_is_served_by_default(defaults):
    assert defaults["ALLOWED_HOSTS"] == ["localhost", "127.0.0.1", "[::1]"]


def test_the_shipped_checkpoint_is_the_default(defaults):
    assert defaults["CAPTIONER_CHECKPOINT"].endswith("/pytorch/shipped/everyday")


def test_pictures_are_kept_beside_the_project_or_where_the_environment_says(defaults):
    assert defaults["MEDIA_ROOT"].endswith("/media")
    elsewhere = json.loads(read_settings(SECRET_KEY="x", MEDIA_ROOT="/srv/pictures").stdout)
    assert elsewhere["MEDIA_ROOT"] == "/srv/pictures"


def test_the_api_serves_anybody_unless_told_otherwise(defaults):
    assert defaults["API_ANONYMOUS"] is True
    closed = json.loads(read_settings(SECRET_KEY="x", API_ANONYMOUS="false").stdout)
    assert closed["API_ANONYMOUS"] is False


def test_email_goes_to_the_console_unless_there_is_a_server(defaults):
    assert defaults["EMAIL_BACKEND"] == "django.core.mail.backends.console.EmailBackend"
    served = json.loads(read_settings(SECRET_KEY="x", EMAIL_HOST="mail.example.org").stdout)
    assert served["EMAIL_BACKEND"] == "django.core.mail.backends.smtp.EmailBackend"
    assert served["EMAIL_HOST"] == "mail.example.org"


def test_the_database_lets_several_threads_write(tmp_path):
    """A transaction that reads and then writes waits for other writers, and does not fail."""
    script = """
import sys, threading
from django.conf import settings
settings.DATABASES["default"]["NAME"] = sys.argv[1]
import django; django.setup()
from django.db import connection, transaction
with connection.cursor() as cursor:
    cursor.execute("CREATE TABLE counter (n INT)")
    cursor.execute("INSERT INTO counter VALUES (0)")
def count():
    for _ in range(25):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT n FROM counter")
            n = cursor.fetchone()[0]
            cursor.execute("UPDATE counter SET n = %s", [n + 1])
    connection.close()
threads = [threading.Thread(target=count) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
with connection.cursor() as cursor:
    cursor.execute("SELECT n FROM counter")
    print(cursor.fetchone()[0])
    cursor.execute("PRAGMA journal_mode")
    print(cursor.fetchone()[0])
"""
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "imagecaptioner.settings"}
    result = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "db.sqlite3")],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stderr == ""
    assert result.stdout == "100\nwal\n"


def test_cookies_need_https_only_if_told_so(defaults):
    assert "CSRF_COOKIE_SECURE" not in defaults
    assert "SESSION_COOKIE_SECURE" not in defaults
    assert "SECURE_PROXY_SSL_HEADER" not in defaults
    secured = json.loads(read_settings(SECRET_KEY="x", HTTPS="true").stdout)
    assert secured["CSRF_COOKIE_SECURE"] is True
    assert secured["SESSION_COOKIE_SECURE"] is True
    assert secured["SECURE_PROXY_SSL_HEADER"] == ["HTTP_X_FORWARDED_PROTO", "https"]


@pytest.mark.parametrize("name", ["DEBUG", "HTTPS", "LOG_LEVEL"])
def test_an_invalid_value_stops_the_start(name):
    result = read_settings(SECRET_KEY="x", **{name: "perhaps"})
    assert result.returncode != 0
    assert f"ImproperlyConfigured: {name} must be" in result.stderr
