"""Rehearses `task sync` with an empty replica that is thrown away: the real program, settings and server.

The rehearsal fetches what a new computer would, and has nothing to send; hooks do not run. Runs against a listener of
our own tell how this Taskwarrior was built, which it does not say itself:

    its TaskChampion        calls itself "taskchampion/3.1.0" in its requests since 3.0, and "ureq/..." before
    the system's authorities  a build that uses them refuses to begin when the system has none but a broken one
"""

from __future__ import annotations

import os
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from ..findings import CommandStopped, Finding, Problem
from ..taskwarrior import Taskwarrior, explain_sync
from .proxies import ProxyRules, without_proxies

_AGENT = re.compile(r"taskchampion/(\d+)\.(\d+)")
# A file of authorities whose only certificate is none.
_BROKEN_AUTHORITY = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


class Authorities(Enum):
    """The certificate authorities that a Taskwarrior trusts."""

    SYSTEM = auto()
    BUILT_IN = auto()
    UNKNOWN = auto()


class NotRehearsed(Exception):
    """Taskwarrior cannot work with a throw-away replica, for a reason that has nothing to do with the server."""


class Rehearsal:
    """Taskwarrior with a throw-away replica. Each answer is found out once, when it is asked for."""

    def __init__(self, taskwarrior: Taskwarrior) -> None:
        self._taskwarrior = taskwarrior

    def run(self) -> Finding | None:
        """Rehearses with the real server: the reason of a failure, or None."""
        with _scratch() as directory:
            try:
                done = self._taskwarrior.try_sync(directory, os.environ)
            except CommandStopped as stop:
                return stop.finding
        if done.status == 0:
            return None
        finding = explain_sync(done)
        if finding.problem is Problem.SYNC_FAILED and "server" not in done.complaint.lower():
            raise NotRehearsed(done.complaint)
        return finding

    @cached_property
    def proxy_rules(self) -> ProxyRules | None:
        """None when they cannot be found out."""
        agent = self._agent({})
        if agent is None:
            return None
        release = _release(agent)
        if release is None:
            return ProxyRules.NONE
        return ProxyRules.OWN if release >= (3, 1) else ProxyRules.USUAL

    @cached_property
    def authorities(self) -> Authorities:
        with _scratch() as directory:
            broken = directory / "broken.pem"
            broken.write_text(_BROKEN_AUTHORITY, encoding="ascii")
            agent = self._agent({"SSL_CERT_FILE": str(broken), "SSL_CERT_DIR": str(directory / "none")})
        if agent == "":
            return Authorities.SYSTEM
        # Later releases may not mind a broken authority.
        release = _release(agent or "")
        return Authorities.BUILT_IN if release is not None and release[0] == 3 else Authorities.UNKNOWN

    def _agent(self, variables: dict[str, str]) -> str | None:
        """The name of Taskwarrior's HTTP client, "" when it refuses to begin with these variables, or None."""
        environment = {**without_proxies(os.environ), **variables}
        with _scratch() as directory, _listening() as (url, agents):
            try:
                done = self._taskwarrior.try_sync(directory, environment, url)
            except CommandStopped:
                return None
        if agents:
            return agents[0]
        return "" if "builder error" in done.complaint else None


def _release(agent: str) -> tuple[int, int] | None:
    found = _AGENT.match(agent)
    return (int(found[1]), int(found[2])) if found else None


@contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tcsync-", ignore_cleanup_errors=True) as directory:
        yield Path(directory)


@contextmanager
def _listening() -> Iterator[tuple[str, list[str]]]:
    """A server without data on loopback: its URL, and the User-Agent of each request."""
    agents: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            agents.append(self.headers.get("User-Agent", ""))
            self.send_response_only(404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.server_port}", agents
        finally:
            listener.shutdown()
            thread.join()
