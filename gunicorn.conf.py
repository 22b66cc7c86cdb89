"""Settings of gunicorn: https://gunicorn.org/reference/settings/."""

import socket
import subprocess
import sys

from imagecaptioner.environment import read_int

_port = read_int("PORT", default=8000, minimum=1, maximum=65535)
# An IPv6 socket also accepts IPv4 connections, but some machines have IPv6 turned off.
bind = f"[::]:{_port}" if socket.has_dualstack_ipv6() else f"0.0.0.0:{_port}"

# Each worker has its own copy of the model and uses all cores for one photograph, so one worker is
# right for most machines. Not WEB_CONCURRENCY, which some hosts set higher than the memory allows.
workers = read_int("GUNICORN_WORKERS", default=1, minimum=1)
worker_class = "gthread"
threads = 4

# torch's threads do not survive a fork: a preloaded model would hang at its first photograph.
preload_app = False

timeout = 60
graceful_timeout = 30
accesslog = "-"
# Two servers of the same user would compete for the control socket, and nothing here uses it.
control_socket_disable = True


def on_starting(_: object) -> None:
    """Run the system checks, so that a missing checkpoint is a message and not a traceback."""
    if subprocess.run([sys.executable, "manage.py", "check"], check=False).returncode != 0:
        sys.exit(1)
