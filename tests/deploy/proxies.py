"""Caddy and nginx in front of a server, with the files of examples/deploy/proxy as they are, but for settings
that depend on the machine: ports, the domain, and where certificates lie."""

import contextlib
import os
import signal
import socket
import ssl
import subprocess
from pathlib import Path

import prerequisites
from server import accepts_tcp
from support import REPOSITORY, free_port, wait_until

EXAMPLES = REPOSITORY / "examples/deploy/proxy"
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 30
PORTS_TRIED = 5


@contextlib.contextmanager
def running(command, log_path, address, env=None):
    """A proxy, from when it accepts connections until it has stopped."""
    with open(log_path, "wb") as log:
        process = subprocess.Popen(
            list(map(str, command)), env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )

    def ready():
        log_text = Path(log_path).read_text(encoding="utf-8", errors="replace")
        assert process.poll() is None, f"{command[0]} ended with status {process.returncode}:\n{log_text}"
        return accepts_tcp(address)

    try:
        wait_until(ready, START_TIMEOUT_S, f"{command[0]} is listening")
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _is_certified(port, authority):
    """Whether a TLS server on this port has a certificate by that authority."""
    try:
        context = ssl.create_default_context(cafile=authority)
        with socket.create_connection(("127.0.0.1", port), timeout=START_TIMEOUT_S) as connection:
            context.wrap_socket(connection, server_hostname="127.0.0.1").close()
    except OSError:
        return False
    return True


@contextlib.contextmanager
def on_a_free_port(proxy, server_url, directory):
    """`proxy` is caddy or nginx; yields its value. Another program can take a port that was free a moment ago: then the
    next one is tried."""
    with contextlib.ExitStack() as started:
        for tries in range(PORTS_TRIED):
            own_directory = Path(directory) / f"{proxy.__name__}{tries}"
            own_directory.mkdir()
            try:
                addresses = started.enter_context(proxy(server_url, own_directory))
                break
            except AssertionError as failure:
                if "in use" not in str(failure) or tries + 1 == PORTS_TRIED:
                    raise
        yield addresses


@contextlib.contextmanager
def caddy(server_url, directory):
    """Caddy with the example's Caddyfile; yields (URL, file with the certificate of the authority that it made for
    itself).

    For an address that no public authority would certify it is its own authority.
    """
    program = prerequisites.program("caddy")
    home = Path(directory) / "caddy"
    home.mkdir()
    port = free_port()
    # For this machine alone: nothing on privileged ports, nothing added to the system's authorities.
    (home / "Caddyfile").write_text(
        f"{{\n admin off\n skip_install_trust\n auto_https disable_redirects\n}}\nimport {EXAMPLES / 'Caddyfile'}\n",
        encoding="utf-8",
    )
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "XDG_DATA_HOME": str(home / "data"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "TCSYNC_DOMAIN": f"127.0.0.1:{port}",
        "TCSYNC_UPSTREAM": server_url.removeprefix("http://"),
    }
    with running(
        [program, "run", "--adapter", "caddyfile", "--config", home / "Caddyfile"],
        home / "log",
        f"127.0.0.1:{port}",
        env,
    ):
        authority = home / "data/caddy/pki/authorities/local/root.crt"
        # It listens before it has made its authority, and the certificate by that.
        wait_until(
            lambda: authority.exists() and _is_certified(port, authority), START_TIMEOUT_S, "Caddy has a certificate"
        )
        yield f"https://127.0.0.1:{port}", authority


def certificates(directory):
    """Files for 127.0.0.1, good for a day: (the authority's certificate, the server's, the server's key)."""
    authority, authority_key = Path(directory) / "authority.pem", Path(directory) / "authority-key.pem"
    certificate, key = Path(directory) / "fullchain.pem", Path(directory) / "privkey.pem"
    _certify(authority, authority_key, "/CN=tcsync test authority", "basicConstraints=critical,CA:TRUE")
    names = "subjectAltName=IP:127.0.0.1"
    by_authority = ("-addext", "basicConstraints=CA:FALSE", "-CA", authority, "-CAkey", authority_key)
    _certify(certificate, key, "/CN=127.0.0.1", names, *by_authority)
    return authority, certificate, key


def _certify(certificate, key, subject, extension, *signer):
    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key)
    command = [prerequisites.program("openssl"), "req", "-x509", "-days", "1", "-subj", subject, "-addext", extension]
    subprocess.run([*command, *new_key, *signer, "-out", certificate], check=True, capture_output=True, timeout=60)


@contextlib.contextmanager
def nginx(server_url, directory, **changes):
    """nginx with the example's configuration; yields (HTTPS URL, HTTP URL, the authority's certificate). `changes`:
    further lines, by the example's lines in their place."""
    program = prerequisites.program("nginx")
    home = Path(directory) / "nginx"
    home.mkdir()
    authority, certificate, key = certificates(home)
    https, http = free_port(), free_port()
    text = (EXAMPLES / "nginx.conf").read_text(encoding="utf-8")
    replacements = {
        "server 127.0.0.1:8080;": f"server {server_url.removeprefix('http://')};",
        "listen 80;": f"listen 127.0.0.1:{http};",
        "listen [::]:80;": "",
        "listen 443 ssl http2;": f"listen 127.0.0.1:{https} ssl http2;",
        "listen [::]:443 ssl http2;": "",
        "/etc/letsencrypt/live/sync.brainplorp.com/fullchain.pem": str(certificate),
        "/etc/letsencrypt/live/sync.brainplorp.com/privkey.pem": str(key),
        "server_name sync.brainplorp.com;": "server_name 127.0.0.1;",
        **changes,
    }
    for old, new in replacements.items():
        assert old in text, f"nginx.conf has no {old!r}: this test must follow it"
        text = text.replace(old, new)
    (home / "site.conf").write_text(text, encoding="utf-8")
    scratch = "".join(
        f"{name}_temp_path {home}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (home / "nginx.conf").write_text(
        f"pid {home}/pid;\nerror_log stderr info;\ndaemon off;\nmaster_process off;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{scratch}include {home}/site.conf;\n}}\n",
        encoding="utf-8",
    )
    with running([program, "-p", home, "-e", "stderr", "-c", home / "nginx.conf"], home / "log", f"127.0.0.1:{https}"):
        yield f"https://127.0.0.1:{https}", f"http://127.0.0.1:{http}", authority
