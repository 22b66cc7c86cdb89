"""Runs the servers as processes: gunicorn as in `make run`, and `runserver`."""

import http.client
import importlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from captioning import engine
from tests.tiny import save_tiny_checkpoint

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
GUNICORN = ["-m", "gunicorn", "--config", "gunicorn.conf.py", "imagecaptioner.wsgi"]
PATIENCE = 120  # seconds; on a busy machine, importing torch takes many


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def start(arguments, *, checkpoint, port):
    environment = os.environ | {"CAPTIONER_CHECKPOINT": str(checkpoint), "PORT": str(port)}
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def output_of_refused_start(checkpoint):
    server = start(GUNICORN, checkpoint=checkpoint, port=free_port())
    output, _ = server.communicate(timeout=PATIENCE)
    assert server.returncode != 0
    return output


class Visitor:
    """A minimal browser: keeps cookies, and sends photographs that the site does not keep."""

    def __init__(self, port):
        self.port = port

    def get(self, path="/"):
        return self._request("GET", path, None, {})

    def send(self, content):
        response, page = self.get()
        cookies = response.headers.get_all("Set-Cookie")
        cookie = "; ".join(each.partition(";")[0] for each in cookies)
        token = re.search(rb'name="csrfmiddlewaretoken" value="(\w+)"', page)[1]
        body = b"\r\n".join(
            [
                b'--x\r\nContent-Disposition: form-data; name="csrfmiddlewaretoken"\r\n',
                token,
                b'--x\r\nContent-Disposition: form-data; name="photograph"; filename="a"\r\n',
                content,
                b"--x--\r\n",
            ]
        )
        headers = {"Content-Type": "multipart/form-data; boundary=x", "Cookie": cookie}
        return self._request("POST", "/", body, headers)

    def wait(self):
        """Return once the server answers."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return self.get()
            except OSError:
                assert time.monotonic() < deadline, "The server does not answer."
                time.sleep(0.1)

    def _request(self, method, path, body, headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        return response, content


@pytest.mark.parametrize("name", ["gunicorn", "runserver"])
def test_a_server_loads_the_model_at_its_start_and_captions(name, tmp_path, coffee_jpeg):
    checkpoint, port = save_tiny_checkpoint(tmp_path / "tiny"), free_port()
    runserver = ["manage.py", "runserver", "--noreload", str(port)]
    server = start(GUNICORN if name == "gunicorn" else runserver, checkpoint=checkpoint, port=port)
    visitor = Visitor(port)
    try:
        _, page = visitor.wait()
        shutil.rmtree(checkpoint)  # the model is loaded by now, or never
        for address in re.findall(rb'(?:href|src)="(/static/[^"]+)"', page):
            assert visitor.get(address.decode())[0].status == 200
        response, page = visitor.send(coffee_jpeg)
        assert response.status == 200
        assert b'<p class="caption"' in page
        assert visitor.send(b"no picture")[0].status == 400
        assert visitor.send(coffee_jpeg)[0].status == 200
    finally:
        server.terminate()
        output, _ = server.communicate(timeout=PATIENCE)
    assert "Traceback" not in output


def test_gunicorn_refuses_to_start_without_a_checkpoint(tmp_path):
    output = output_of_refused_start(tmp_path / "absent")
    assert "(captioning.E001) There is no checkpoint at" in output
    assert "Traceback" not in output


def test_gunicorn_refuses_to_start_with_a_damaged_checkpoint(tmp_path):
    checkpoint = save_tiny_checkpoint(tmp_path / "tiny")
    (checkpoint / "vocabulary.json").write_text("[]")
    output = output_of_refused_start(checkpoint)
    assert "(captioning.E002)" in output
    assert "Traceback" not in output


def test_gunicorn_gives_up_on_a_checkpoint_that_does_not_fit_together(tmp_path):
    checkpoint = save_tiny_checkpoint(tmp_path / "tiny")
    config = json.loads((checkpoint / "config.json").read_text())
    config["encoder"]["grid_size"] = -1
    config["decoder"]["hidden_size"] += 1
    (checkpoint / "config.json").write_text(json.dumps(config))
    assert "does not fit together" in output_of_refused_start(checkpoint)


@pytest.mark.parametrize("name", ["wsgi", "asgi"])
def test_each_entry_point_starts_the_engine(name, monkeypatch):
    starts = []
    monkeypatch.setattr(engine, "start", lambda: starts.append(name))
    sys.modules.pop(f"imagecaptioner.{name}", None)
    module = importlib.import_module(f"imagecaptioner.{name}")
    assert starts == [name]
    assert callable(module.application)
