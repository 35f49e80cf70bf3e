"""The servers under load, each a process on the server's core."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from specweave.operations.load_testing.measurement import split_cores

sys.path.append(str(Path(__file__).parents[2] / "operations" / "load_testing"))
import timetable
from timetable import ANSWER, Clocked, free_port, process

# For want of a second core both share one, and every figure is worth less; the table says on which cores they ran.
SERVER_CORES, CLIENT_CORES = split_cores()
BODY = json.dumps({"features": {"amount": 1_500, "duration": 24, "age": 35, "job": "skilled", "purpose": "car"}})

_NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log crit; {user}
events {{ worker_connections 4096; }}
http {{
    access_log off; keepalive_requests 1000000000; keepalive_timeout 600s; default_type application/json;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ return 200 '{answer}'; }} }}
}}
"""


@contextmanager
def fast() -> Iterator[tuple[str, int]]:
    """A server at the speed of C that answers a small JSON: its name, and its port; without nginx one in Python."""
    port = free_port()
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    with tempfile.TemporaryDirectory() as temporary:
        if program is None:
            with clocked(service_s=0.0) as server:
                yield "a server in Python, for nginx is missing: apt-get install nginx", server.port
            return
        folder = Path(temporary)
        # As root its workers would run as a user who may not enter that folder.
        user = "user root;" if os.geteuid() == 0 else ""
        configuration = _NGINX.format(folder=folder, port=port, user=user, answer=json.dumps(ANSWER))
        (folder / "nginx.conf").write_text(configuration)
        version = subprocess.run([program, "-v"], capture_output=True, text=True, check=True).stderr
        argv = [program, "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
        with process(argv, port, SERVER_CORES):
            yield version.strip().rpartition(": ")[2], port


def clocked(*, service_s: float, every_s: float = 0.0, freeze_s: float = 0.0) -> AbstractContextManager[Clocked]:
    """A clocked server on the server's core, see `timetable`."""
    return timetable.clocked(service_s=service_s, every_s=every_s, freeze_s=freeze_s, cores=SERVER_CORES)
