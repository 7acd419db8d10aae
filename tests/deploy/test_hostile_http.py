"""Hostile HTTP (hostile_http.py), sent to the server directly, whole and cut at every byte, and through the proxies.

The answers are pinned. The promise is another one: the server executes nothing that it does not answer to its sender.
The tests watch three sides: the sender's answers; the server's counts and its storage; and a victim at another
address, whose requests take the same connections between proxy and server.

If one of these fails, a stranger smuggles requests through a proxy, or gets another user's answers, or two readers of
one request disagree about where it ends.
"""

import collections
import contextlib
import functools
import http.client
import re
import socket
import ssl
import threading
import uuid
from dataclasses import dataclass

import hostile_http
import http2
import proxies
import pytest
import wire
from hostile_http import CASES, FORGED, HIDDEN, STREAMS, Case

STRANGER = "127.0.0.7"
VICTIM = "127.0.0.9"
VICTIM_SEGMENT = b"the victim's"
TIMEOUT_S = 60
IP_BIND_ADDRESS_NO_PORT = 24  # Linux'; the port is chosen when it connects

# Rates do not matter here, and a busy machine must end nothing. With one event loop, bytes that were sent first are
# read first.
FLAGS = (
    "--trusted-proxy", "127.0.0.1",
    "--body-bytes-max", str(hostile_http.BODY_BYTES_MAX),
    "--new-clients-per-address-day", "0",
    "--address-requests-per-second", "0",
    "--header-timeout", "600000",
    "--body-timeout", "600000",
    "--idle-timeout", "600000",
    "--event-loops", "1",
    "--metrics-listen", "127.0.0.1:0",
)  # fmt: skip

# A request counts once its head has turned out to be HTTP. These never do.
UNCOUNTED = re.compile(
    rb"The request is not valid HTTP/1\.1: |The request's head is larger |This server speaks HTTP/1\.1\."
    rb"|The only Transfer-Encoding "
)

# A case that is longer is cut at its begin and end, and around the size of the largest head.
CUT_AT_EVERY_BYTE_MAX = 1000
CONNECTIONS_AT_ONCE = 100


# Messages


@dataclass(frozen=True)
class Answer:
    status: int
    fields: dict
    body: bytes
    is_bare: bool = False  # without a head, as HTTP/0.9 had it

    @property
    def version_id(self):
        """The ID of the version that was added; None when none was."""
        added = self.status == 200 and "x-version-id" in self.fields and "x-parent-version-id" not in self.fields
        return self.fields["x-version-id"] if added else None

    @property
    def is_the_server_s(self):
        return self.is_bare or self.fields.get("cache-control") == "no-store, max-age=0"

    @property
    def is_counted(self):
        return self.is_the_server_s and not UNCOUNTED.match(self.body)


def answers_in(stream, bodiless=False):
    """The answers that a connection's bytes are. `bodiless`: the first one is to HEAD."""
    if stream.startswith(b"tcsync-server "):
        return [Answer(200, {}, stream, is_bare=True)]
    answers = []
    while stream:
        head, end, stream = stream.partition(b"\r\n\r\n")
        status_line, *field_lines = head.decode("latin-1").split("\r\n")
        match = re.fullmatch(r"HTTP/1\.[01] (\d{3})( .*)?", status_line)
        assert match and end, f"no answer in HTTP/1: {head[:200]!r}"
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in field_lines)}
        status = int(match[1])
        # A body without a length lasts until the end.
        length = 0 if status < 200 or status == 304 or (bodiless and not answers) else fields.get("content-length")
        length = len(stream) if length is None else int(length)
        assert length <= len(stream), "an answer was cut off"
        answers.append(Answer(status, fields, stream[:length]))
        stream = stream[length:]
    return answers


def written(answers):
    """Answers as the table writes them. 100 (Continue) comes where the network makes a client wait for it."""
    words = []
    answers = [answer for answer in answers if answer.status >= 200]
    for answer in answers:
        word = "stored" if answer.version_id else "bare" if answer.is_bare else str(answer.status)
        words.append(word if answer.is_the_server_s else f"({word})")
    if answers and answers[-1].fields.get("connection", "").lower() == "close":
        words.append("close")
    if words[-2:] == ["stored", "close"] and len(answers) > 1:
        words[-2:] = ["+"]
    return " ".join(words)


@dataclass(frozen=True)
class Sent:
    """A case with clients of its own."""

    case: Case
    clients: dict

    @classmethod
    def of(cls, case):
        return cls(case, {placeholder: str(uuid.uuid4()) for placeholder in hostile_http.PLACEHOLDERS})

    @property
    def case_bytes(self):
        return self._bytes_of(self.case.text)

    @property
    def bytes(self):
        return self.case_bytes + (b"" if self.case.unfinished else self._bytes_of(hostile_http.BEHIND))

    @property
    def segments(self):
        """The segment of each client's version, if it has one."""
        of_clients = (self.case.segment, hostile_http.SEGMENT, hostile_http.BEHIND_SEGMENT)
        texts = dict(zip(hostile_http.PLACEHOLDERS, of_clients, strict=True))
        return {placeholder: self._bytes_of(text) for placeholder, text in texts.items()}

    def answers_in(self, stream):
        try:
            return answers_in(stream, self.case.text.startswith("HEAD "))
        except AssertionError as failure:
            raise AssertionError(f"{self.case.name}: {failure}") from None

    def _bytes_of(self, text):
        return hostile_http.named(text, self.clients).encode("latin-1")


def connect(url, source=STRANGER, authority=None, protocol="http/1.1"):
    host, port = url.split("://")[1].rsplit(":", 1)
    connection = socket.socket()
    connection.settimeout(TIMEOUT_S)
    # So that no listener finds its port in use, by a connection that has ended.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    connection.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.bind((source, 0))
    connection.connect((host, int(port)))
    if authority is None:
        return connection
    return tls(authority, protocol).wrap_socket(connection, server_hostname=host)


@functools.cache
def tls(authority, protocol):
    context = ssl.create_default_context(cafile=authority)
    context.set_alpn_protocols([protocol])
    return context


def send(connection, data):
    # A server that refused the beginning need not take the rest.
    with contextlib.suppress(ConnectionResetError, BrokenPipeError, ssl.SSLEOFError):
        connection.sendall(data)


def end_sending(connection):
    with contextlib.suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_WR)  # ssl's own would end reading, too


def read_to_end(connection):
    """All that comes until the other side closes. A reset is an end as well: more was sent than it read."""
    parts = []
    with contextlib.suppress(ConnectionResetError, ssl.SSLEOFError):
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def exchange(url, sent, authority=None):
    """Sends a case on a connection of its own; its answers."""
    with connect(url, authority=authority) as connection:
        send(connection, sent.bytes)
        # A proxy takes an end of sending for an end of interest.
        if sent.case.unfinished or authority is None:
            end_sending(connection)
        return sent.answers_in(read_to_end(connection))


class WellBehavedClient:
    """Well-behaved requests on one connection."""

    def __init__(self, url, source="127.0.0.1", authority=None):
        self._connection = http.client.HTTPConnection("127.0.0.1")
        self._connection.sock = connect(url, source, authority)
        self.requests = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._connection.close()

    def get(self, path, client_id=None):
        self.requests += 1
        self._connection.request("GET", path, headers={"X-Client-Id": client_id} if client_id else {})
        answer = self._connection.getresponse()
        return wire.Response(answer.status, answer.headers, answer.read())


def cuts(size):
    """Where a case is cut in two: behind so many bytes."""
    if size <= CUT_AT_EVERY_BYTE_MAX:
        return range(1, size + 1)
    third = CUT_AT_EVERY_BYTE_MAX // 3
    middle = hostile_http.HEAD_BYTES_MAX
    parts = ((1, third), (middle - third // 2, middle + third // 2), (size - third, size + 1))
    return sorted({cut for begin, end in parts for cut in range(begin, end) if 0 < cut <= size})


def exchange_cut(url, case, source, client):
    """Sends a case cut at every byte, each time on a connection of its own and for new clients: (cut, answers)."""
    all_cuts = cuts(len(Sent.of(case).case_bytes))
    for begin in range(0, len(all_cuts), CONNECTIONS_AT_ONCE):
        batch = [(cut, Sent.of(case), connect(url, source)) for cut in all_cuts[begin : begin + CONNECTIONS_AT_ONCE]]
        for cut, sent, connection in batch:
            send(connection, sent.bytes[:cut])
        client.get("/")  # Its answer shows that all bytes sent before it have been read.
        for cut, sent, connection in batch:
            send(connection, sent.bytes[cut:])
            end_sending(connection)
        for cut, sent, connection in batch:
            with connection:
                yield cut, sent.answers_in(read_to_end(connection))


# The server's side


class ServerObserver:
    """The server's storage, and its counts since the last look. Every question is counted as well."""

    def __init__(self, server):
        self._server = WellBehavedClient(server.url)
        self._metrics = WellBehavedClient(server.metrics_url)
        self._last = self._scrape()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.close()
        self._metrics.close()

    def _scrape(self):
        text = self._metrics.get("/metrics").body.decode()
        requests = collections.Counter()
        for status, count in re.findall(r'^tcsync_http_requests_total{.*status="(\d+)"} (\d+)', text, re.MULTILINE):
            requests[int(status)] += int(count)
        accepted = re.search(r'^tcsync_connections_accepted_total{outcome="served"} (\d+)', text, re.MULTILINE)
        return requests, int(accepted[1])

    def counts(self):
        """(requests by status, connections that were accepted)."""
        self._server.get("/")  # Its answer shows that all bytes sent before it have been read.
        now = self._scrape()
        (requests, accepted), self._last = self._last, now
        counted_now = now[0] - requests
        counted_now[200] -= 1
        return counted_now, now[1] - accepted

    def history(self, client_id):
        """(version ID, segment) of each version."""
        versions, parent_id = [], wire.NIL_VERSION
        while (answer := self._server.get(f"/v1/client/get-child-version/{parent_id}", client_id)).status == 200:
            parent_id = answer.headers["X-Version-Id"]
            versions.append((parent_id, answer.body))
        assert answer.status == 404, answer
        return versions


def counted(answers):
    return collections.Counter(answer.status for answer in answers if answer.is_counted)


def count_findings(answers, requests, only_successes=False):
    """Requests that the server executed and did not answer to the sender; or the other way round. `only_successes`:
    the sender is gone, and the proxy may have kept a refusal to itself."""
    answered, done = (
        {status: count for status, count in counts.items() if count and (status < 400 or not only_successes)}
        for counts in (counted(answers), requests)
    )
    return [] if answered == done else [f"counted: {done}, while the answers are {answered}"]


def storage_findings(observer, sent, answers):
    """Versions that were stored and not acknowledged to the sender; or the other way round."""
    found = []
    histories = {placeholder: observer.history(client_id) for placeholder, client_id in sent.clients.items()}
    answered = sorted(answer.version_id for answer in answers if answer.version_id)
    stored = sorted(version_id for history in histories.values() for version_id, _ in history)
    if answered != stored:
        found.append(f"stored: {stored}, while the answers tell of {answered}")
    for placeholder, history in histories.items():
        if any(segment != sent.segments[placeholder] for _, segment in history):
            found.append(f"stored: for {placeholder} other bytes than it sent: {history}")
    return found


class OtherUser:
    """Another user, with a history of one version, who asks for it through a proxy."""

    def __init__(self, server, proxy_url, authority):
        self._client_id = str(uuid.uuid4())
        self._through = (proxy_url, VICTIM, authority)
        added = wire.add_version(server.url, self._client_id, segment=VICTIM_SEGMENT)
        assert added.status == 200, added.body
        self._version_id = added.headers["X-Version-Id"]

    def findings(self):
        """Asks twice, on connections of its own; the answers that are not the victim's."""
        found = []
        for _ in range(2):
            with WellBehavedClient(*self._through) as client:
                answer = client.get(hostile_http.CHILD_PATH, self._client_id)
            if (answer.status, answer.body, answer.headers["X-Version-Id"]) != (200, VICTIM_SEGMENT, self._version_id):
                found.append(f"victim: answered {answer.status} {answer.headers.items()} {answer.body[:200]}")
        return found


def findings_through(proxy_url, authority, observer, other_user, case):
    """Sends a case through a proxy, between a victim's requests: (answers, findings, whether the victim came on
    connections that the server had before)."""
    found = other_user.findings()
    observer.counts()
    sent = Sent.of(case)
    answers = exchange(proxy_url, sent, authority)
    found += other_user.findings()
    requests, accepted = observer.counts()
    requests[200] -= 2
    found += count_findings(answers, requests, only_successes=case.unfinished)
    found += storage_findings(observer, sent, answers)
    return answers, found, accepted == 0


def findings_of_stream(proxy_url, authority, observer, other_user, stream):
    """The same for a request by HTTP/2: (the server's counts, findings)."""
    clients = Sent.of(Case(stream.name, stream.body, "")).clients

    def as_bytes(text):
        return hostile_http.named(text, clients).encode("latin-1")

    fields, trailers = (
        [(as_bytes(name), as_bytes(value)) for name, value in pairs] for pairs in (stream.fields, stream.trailers)
    )
    found = other_user.findings()
    observer.counts()
    with connect(proxy_url, authority=authority, protocol="h2") as connection:
        send(connection, http2.request(fields, as_bytes(stream.body), trailers))
        end = http2.read_end(connection)
    found += other_user.findings()
    requests, _ = observer.counts()
    requests[200] -= 2
    requests = sorted((+requests).elements())
    if len(requests) > 1:
        found.append(f"counted: {requests} for one stream")
    histories = {placeholder: observer.history(client_id) for placeholder, client_id in clients.items()}
    segments = [segment for _, segment in histories.pop("{client}")]
    if segments not in ([], [as_bytes(stream.body)]) or len(segments) != requests.count(200) or any(histories.values()):
        found.append(f"stored: {segments} and {histories}, and counted {requests}")
    if segments and end != "answered":
        found.append(f"stored: {segments}, and the stream was {end}")
    return " ".join(map(str, requests)), found


FORGED_FLAGS = ("--trusted-proxy", "127.0.0.1", "--new-clients-per-address-day", "1")


def create_through(url, authority, source, fields):
    """A new client, from `source`, with further fields; the status."""
    sent = Sent.of(Case("forged", hostile_http.sized(*fields), "", unfinished=True))
    with connect(url, source, authority) as connection:
        send(connection, sent.bytes)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer.status


def charged_wrongly(url, authority):
    """Tries FORGED, each for two addresses of its own, which may create one client each."""
    wrong = []
    for number, fields in enumerate(FORGED):
        source, other = f"127.0.2.{number + 1}", f"127.0.3.{number + 1}"
        forged = [field.replace("{other}", other) for field in fields]
        tries = ((source, forged), (source, forged), (source, ()), (other, ()))
        statuses = [create_through(url, authority, *one) for one in tries]
        if statuses != [200, 429, 429, 200]:
            wrong.append((fields, statuses))
    return wrong


@contextlib.contextmanager
def forging_proxy(server_url):
    """A proxy, in the clear, that takes all bytes of a client for one request, and passes on one answer: the dream of
    a smuggler. All clients share its one connection to the server. Yields its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener, connect(server_url, "127.0.0.1") as upstream:
        answers = upstream.makefile("rb")

        def one_answer():
            head = b"".join(iter(answers.readline, b"\r\n")) + b"\r\n"
            length = re.search(rb"(?i)^content-length: (\d+)", head, re.MULTILINE)
            return head + answers.read(int(length[1]) if length else 0)

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    with client:
                        upstream.sendall(client.recv(65536))
                        client.sendall(one_answer())

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(TIMEOUT_S)


@contextlib.contextmanager
def proxied(name, server, directory):
    """nginx or Caddy in front of the server: (URL, authority)."""
    with proxies.on_a_free_port(getattr(proxies, name), server.url, directory) as (url, *_, authority):
        yield url, authority


both_proxies = pytest.mark.parametrize("name", ["nginx", "caddy"])


class TestWithoutProxy:
    def test_each_case_has_its_answers(self, start_server):
        # If this fails, the server accepts an ambiguous request, or reads on where it may have lost its place.
        server = start_server(*FLAGS)
        failures = []
        with ServerObserver(server) as observer:
            for case in CASES:
                observer.counts()
                sent = Sent.of(case)
                answers = exchange(server.url, sent)
                found = count_findings(answers, observer.counts()[0]) + storage_findings(observer, sent, answers)
                if written(answers) not in case.expected("direct"):
                    found.append(f"answered '{written(answers)}'")
                failures += [f"{case.name}: {finding}" for finding in found]
        assert not failures, "\n".join(failures)

    def test_a_split_request_is_answered_the_same_at_every_byte(self, start_server):
        # If this fails, the network's cuts change the meaning of a request.
        server = start_server(*FLAGS)
        failures = []
        continue_answers = 0
        with ServerObserver(server) as observer:
            for number, case in enumerate(CASES):
                # The kernel keeps ends of connections for a minute; from one address there would soon be no port left.
                source = f"127.0.1.{number % 250 + 1}"
                all_counted = collections.Counter()
                with WellBehavedClient(server.url, source) as client:
                    for cut, answers in exchange_cut(server.url, case, source, client):
                        continue_answers += sum(answer.status == 100 for answer in answers)
                        all_counted += counted(answers)
                        if written(answers) not in case.expected("direct"):
                            failures.append(f"{case.name}: cut at {cut}, answered '{written(answers)}'")
                    all_counted[200] += client.requests
                requests, _ = observer.counts()
                if requests != all_counted:
                    failures.append(f"{case.name}: counted {dict(requests)}, answered {dict(all_counted)}")
        assert not failures, "\n".join(failures[:50])
        assert continue_answers > 0, "no first part was read alone: nothing was cut"

    def test_an_address_cannot_be_forged(self, start_server):
        # If this fails, a client without a proxy in front of the server escapes the limits by address.
        server = start_server(*FORGED_FLAGS)
        assert charged_wrongly(server.url, None) == []


class TestThroughProxies:
    @both_proxies
    def test_every_executed_request_is_answered_to_its_sender(self, name, start_server, tmp_path):
        # If this fails, the server executes a stranger's request as another user's, or a victim gets its answer.
        server = start_server(*FLAGS)
        failures = []
        shared = 0
        with proxied(name, server, tmp_path) as (url, authority), ServerObserver(server) as observer:
            other_user = OtherUser(server, url, authority)
            for case in CASES:
                answers, found, is_shared = findings_through(url, authority, observer, other_user, case)
                shared += is_shared
                if written(answers) not in case.expected(name):
                    found.append(f"answered '{written(answers)}'")
                failures += [f"{case.name}: {finding}" for finding in found]
        assert not failures, "\n".join(failures)
        # It does not where the server, or the proxy, has closed the connection.
        assert shared > len(CASES) * 2 / 3, "the victim did not come on the stranger's connections: nothing was tried"

    @both_proxies
    def test_an_http2_stream_is_at_most_one_request(self, name, start_server, tmp_path):
        # If this fails, a field that is harmless in HTTP/2 becomes a second request in the proxy's HTTP/1.1.
        server = start_server(*FLAGS)
        failures = []
        with proxied(name, server, tmp_path) as (url, authority), ServerObserver(server) as observer:
            other_user = OtherUser(server, url, authority)
            for stream in STREAMS:
                reached, found = findings_of_stream(url, authority, observer, other_user, stream)
                if reached not in stream.expected(name):
                    found.append(f"the server counted '{reached}'")
                failures += [f"{stream.name}: {finding}" for finding in found]
        assert not failures, "\n".join(failures)

    @both_proxies
    def test_an_address_cannot_be_forged(self, name, start_server, tmp_path):
        # If this fails, a limited or banned client continues under another address, or uses up other people's limits.
        server = start_server(*FORGED_FLAGS)
        with proxied(name, server, tmp_path) as (url, authority):
            assert charged_wrongly(url, authority) == []


class TestDetectors:
    """Faults that the tests above would see. If one of these fails, they pass on a broken server."""

    def test_a_smuggled_request_is_detected_from_each_side(self, start_server):
        server = start_server(*FLAGS)
        smuggled = Case("two requests", hostile_http.sized() + HIDDEN, "", unfinished=True)
        with forging_proxy(server.url) as url, ServerObserver(server) as observer:
            other_user = OtherUser(server, url, None)
            assert other_user.findings() == []
            answers, found, is_shared = findings_through(url, None, observer, other_user, smuggled)
        assert written(answers) == "stored"
        assert [finding.partition(":")[0] for finding in found] == ["victim", "counted", "stored"]
        assert is_shared

    def test_a_forged_address_is_detected(self, start_server):
        # The tests' own address is trusted here, as if a proxy had passed on a client's claim.
        server = start_server(*FORGED_FLAGS, "--trusted-proxy", "127.0.2.0/24")
        assert FORGED[0] in [fields for fields, _ in charged_wrongly(server.url, None)]
