"""Calls of the API, as programs make them."""

import base64
import json

from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.tokens import make_token

CAPTIONS = "/api/v1/captions"


def program_of(name, **options):
    """A program with a token of a new account."""
    token = make_token(User.objects.create_user(name), "program")
    return Client(headers={"authorization": f"Bearer {token}"}, **options)


def send(client, *contents, **options):
    """Send files as a form, named a.jpg, b.jpg and so on."""
    files = [SimpleUploadedFile(f"{chr(97 + i)}.jpg", each) for i, each in enumerate(contents)]
    return client.post(CAPTIONS, {"photographs": files, **options})


def send_json(client, *contents, **options):
    """Send files in JSON, named as `send` does."""
    photographs = [
        {"name": f"{chr(97 + i)}.jpg", "content": base64.b64encode(each).decode()}
        for i, each in enumerate(contents)
    ]
    data = {"photographs": photographs, **options}
    return client.post(CAPTIONS, data, content_type="application/json")


def problem(response):
    """The code of the problem that a response tells of."""
    assert response.headers["Content-Type"] == "application/problem+json", response.content
    data = json.loads(response.content)
    assert data["status"] == response.status_code
    assert data["type"].endswith(f":{data['code']}")
    assert data["title"]
    assert data["detail"]
    return data["code"]
