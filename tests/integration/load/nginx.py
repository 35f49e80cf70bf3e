"""A server of everyday use, with TLS."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from specweave.host import RealHost

_DEADLINE_S = 30.0
_CONFIGURATION = """\
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes 1;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        location / {{ default_type application/json; return 200 '{answer}'; }}
    }}
}}
"""


def make_certificate(folder: Path) -> Path:
    """A certificate of 127.0.0.1 that vouches for itself; its key lies beside it."""
    path = folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test", "-addext",
         "subjectAltName=IP:127.0.0.1", "-keyout", path.with_suffix(".key"), "-out", path],
        check=True, capture_output=True,
    )  # fmt: skip
    return path


@contextmanager
def nginx(folder: Path, certificate: Path, answer: str) -> Iterator[str]:
    """An address where every request gets the answer."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        pytest.fail("nginx is not installed; run tests/integration/prepare load")
    port = RealHost().free_port()
    values = {"folder": folder, "port": port, "certificate": certificate, "key": certificate.with_suffix(".key")}
    configuration = folder / "nginx.conf"
    configuration.write_text(_CONFIGURATION.format(answer=answer, **values))
    process = subprocess.Popen([program, "-c", configuration], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + _DEADLINE_S
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
        yield f"https://127.0.0.1:{port}/predict"
    finally:
        process.terminate()
        process.wait(_DEADLINE_S)
