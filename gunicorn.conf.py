"""How gunicorn serves the application; https://gunicorn.org/reference/settings/ explains each."""

import socket
import subprocess
import sys

from imagecaptioner.environment import read_int

_port = read_int("PORT", default=8000, minimum=1, maximum=65535)
# IPv6 sockets also take IPv4 connections, but some machines have IPv6 switched off.
bind = f"[::]:{_port}" if socket.has_dualstack_ipv6() else f"0.0.0.0:{_port}"

# Every worker holds its own copy of the model and uses all cores for a photograph, so one is
# right for most machines. Hosts set WEB_CONCURRENCY by themselves, to more than their memory
# holds; hence a name of our own.
workers = read_int("GUNICORN_WORKERS", default=1, minimum=1)
worker_class = "gthread"
threads = 4

# torch's threads do not survive a fork: a model loaded before it hangs at its first photograph.
preload_app = False

timeout = 60
graceful_timeout = 30
accesslog = "-"
# Two servers of one user would compete for the same control socket, and nothing here uses it.
control_socket_disable = True


def on_starting(_: object) -> None:
    """Refuse to start, for a missing checkpoint and the like, in words and not in a traceback."""
    if subprocess.run([sys.executable, "manage.py", "check"], check=False).returncode != 0:
        sys.exit(1)
