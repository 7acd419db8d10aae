"""Programs that answer, or do not, in place of a sync server: each kind of failure, made on purpose on loopback."""

import contextlib
import datetime
import http.client
import ipaddress
import re
import socket
import socketserver
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

CHUNK_BYTES = 65536
CONNECT_TIMEOUT_S = 5


class _Handler(BaseHTTPRequestHandler):
    """Answers every request with the result of `respond`: status, headers, and content, which may be shorter than a
    Content-Length says."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, headers, content = self.respond(body)
        headers = {"Content-Length": str(len(content)), **headers}
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
        self.close_connection = int(headers["Content-Length"]) != len(content)

    do_POST = do_GET

    def handle(self):
        with contextlib.suppress(ConnectionError):  # A client that wants no more of an answer closes in the middle.
            super().handle()

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def _listening(handler):
    """Serves on loopback; yields the URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def answering(status, headers=(), body=b"no\n"):
    """A fake server that gives the same answer to everything; yields its URL."""

    class Handler(_Handler):
        def respond(self, _):
            return status, dict(headers), body

    return _listening(Handler)


def gateway(server_url, intercepted, answer):
    """A fake gateway before a real server; yields its URL. It passes everything on, but requests whose "METHOD /path"
    matches `intercepted` get the result of `answer`, which takes a function that passes the request on."""
    return _gateway(server_url, intercepted, lambda pass_on, _path: answer(pass_on))


def redirecting(server_url, redirected, status):
    """A fake gateway that redirects the requests whose "METHOD /path" matches, and passes the others on."""
    return _gateway(server_url, redirected, lambda _, path: (status, {"Location": f"{server_url}{path}"}, b""))


def _gateway(server_url, intercepted, answer):
    class Handler(_Handler):
        def respond(self, body):
            def pass_on():
                with contextlib.closing(
                    http.client.HTTPConnection(server_url.removeprefix("http://"), timeout=CONNECT_TIMEOUT_S)
                ) as server:
                    server.request(self.command, self.path, body or None, dict(self.headers))
                    response = server.getresponse()
                    return response.status, dict(response.headers), response.read()

            is_intercepted = re.match(intercepted, f"{self.command} {self.path}")
            return answer(pass_on, self.path) if is_intercepted else pass_on()

    return _listening(Handler)


@contextlib.contextmanager
def silent():
    """Accepts connections and never says a word; yields its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


class Counted:
    """A listener that counts connections, and answers each first request with 404 if it is HTTP. A context manager."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.place = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.count = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.count += 1
            with connection, contextlib.suppress(OSError):
                connection.settimeout(CONNECT_TIMEOUT_S)
                if connection.recv(CHUNK_BYTES)[:1].isalpha():
                    connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


@contextlib.contextmanager
def refusing_tls():
    """A fake TLS server that ends every handshake with the alert handshake_failure; yields its URL."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.recv(CHUNK_BYTES)
            self.request.sendall(bytes.fromhex("15 0303 0002 02 28"))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield f"https://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


class Authority:
    """A private certificate authority, and certificates by it."""

    def __init__(self, directory):
        self._directory = Path(directory)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tcsync test authority")])
        certificate = self._builder(self._name, self._key, days=(-1, 30)).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        self.file = self._directory / "authority.pem"
        self.file.write_bytes(certificate.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def certificate(self, name="127.0.0.1", days=(-1, 30)):
        """A file with a key and a certificate for that host, valid from and until so many days from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        try:
            alternative = x509.IPAddress(ipaddress.ip_address(name))
        except ValueError:
            alternative = x509.DNSName(name)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._builder(subject, key, days=days).add_extension(
            x509.SubjectAlternativeName([alternative]), critical=False
        )
        path = self._directory / f"{name}-{days[1]}.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        )
        return path

    def self_signed(self, *, is_authority):
        """A file with a key and a certificate for loopback that is signed by itself, and a file with the latter."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
        certificate = (
            self._builder(name, key, days=(-1, 30), issuer=name)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        )
        path, public = (self._directory / f"self-signed-{is_authority}{end}.pem" for end in ("", "-public"))
        public.write_bytes(certificate.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + public.read_bytes()
        )
        return path, public

    def _builder(self, subject, key, days, issuer=None):
        now = datetime.datetime.now(datetime.timezone.utc)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer or self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=days[0]))
            .not_valid_after(now + datetime.timedelta(days=days[1]))
        )


@contextlib.contextmanager
def tls_front(server_url, certificate, *, to_plain=b""):
    """A TLS terminator before a plain HTTP server; yields its URL. `to_plain`: its answer to requests without TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    host, port = server_url.removeprefix("http://").rsplit(":", 1)
    listener = socket.create_server(("127.0.0.1", 0))

    def accept():
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(plain,), daemon=True).start()

    def serve(plain):
        if to_plain and plain.recv(1, socket.MSG_PEEK).isalpha():
            with plain:
                plain.recv(CHUNK_BYTES)
                plain.sendall(to_plain)
            return
        # A client that rejects the certificate leaves in the middle of the handshake.
        with (
            contextlib.suppress(OSError),
            context.wrap_socket(plain, server_side=True) as outer,
            socket.create_connection((host, int(port)), timeout=CONNECT_TIMEOUT_S) as inner,
        ):
            inner.settimeout(None)
            threading.Thread(target=pass_on, args=(inner, outer), daemon=True).start()
            pass_on(outer, inner)

    def pass_on(source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK_BYTES):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
