"""The checks of the way that Taskwarrior itself takes to the server, where it differs from tcsync's."""

from __future__ import annotations

import os
from functools import cached_property

from ..findings import Finding, Problem
from ..taskwarrior import Taskwarrior
from .proxies import Way, any_set, taskwarrior_way, tcsync_way
from .rehearsal import Authorities, NotRehearsed, Rehearsal
from .report import Report
from .second_look import shows_authority

_TRUSTED = {
    Authorities.SYSTEM: "Taskwarrior trusts the system's authorities",
    Authorities.BUILT_IN: "Taskwarrior trusts the authorities that it was built with, and not the system's",
    Authorities.UNKNOWN: "it is not known whether Taskwarrior trusts the system's authorities or its own: "
    "that depends on its build",
}


class TaskwarriorsWay:
    """Taskwarrior's way to one server. `has_ca_file`: tcsync was given an authority that Taskwarrior does not know."""

    def __init__(self, taskwarrior: Taskwarrior, url: str, report: Report, *, has_ca_file: bool) -> None:
        self._rehearsal = Rehearsal(taskwarrior)
        self._url = url
        self._report = report
        self._has_ca_file = has_ca_file
        #: None: it has none, or it is not known.
        self._way: Way | None = None

    def check_proxy(self) -> None:
        """Reports Taskwarrior's way, and tcsync's where it is another one."""
        if not any_set(os.environ):
            self._report.ok("proxy", "no variable names one: Taskwarrior and tcsync connect directly")
            self._way = Way()
            return
        rules = self._rehearsal.proxy_rules
        if rules is None:
            self._report.skipped("proxy", "it is not known which variables this Taskwarrior obeys")
            return
        self._way = self._report.run("proxy", lambda: taskwarrior_way(self._url, os.environ, rules), self._describe)

    def check(self) -> None:
        """Reports the trusted authorities and the rehearsal, after tcsync has reached the server."""
        if self._report.has_failed("proxy"):
            return
        self._check_trust()
        try:
            finding = self._rehearsal.run()
        except NotRehearsed as reason:
            self._report.skipped("rehearsal", f"Taskwarrior cannot sync an empty replica here: {reason}")
            return
        if finding is None:
            text = "Taskwarrior itself fetched all data into an empty replica, which was thrown away"
            self._report.ok("rehearsal", text)
        else:
            self._report.failed("rehearsal", self._explained(finding))

    def check_after(self, finding: Finding, link: str) -> None:
        """Reports whether Taskwarrior reaches a server that tcsync does not reach: by another way, with other
        authorities, or through a redirect."""
        if not self._differs and link != "tls" and finding.problem is not Problem.REMOTE_REDIRECTED:
            return
        try:
            works = self._rehearsal.run() is None
        except NotRehearsed:
            return
        if works:
            self._report.ok("rehearsal", "Taskwarrior itself can fetch from the server, although tcsync cannot")

    @cached_property
    def _own_way(self) -> Way:
        return tcsync_way(self._url, os.environ)

    @property
    def _differs(self) -> bool:
        return self._way is not None and self._way.proxy != self._own_way.proxy

    def _describe(self, way: Way) -> str:
        if way.proxy == self._own_way.proxy:
            return f"`task sync` goes {way}, and so does tcsync"
        return f"`task sync` goes {way}, and tcsync goes {self._own_way}: their rules differ"

    def _check_trust(self) -> None:
        if self._url.startswith("http://"):
            self._report.ok("trust", "not used: the URL begins with http://")
            return
        authorities = self._rehearsal.authorities
        tell = self._report.skipped if authorities is Authorities.UNKNOWN else self._report.ok
        tell("trust", _TRUSTED[authorities])

    def _explained(self, finding: Finding) -> Finding:
        """The cause of a failure that Taskwarrior does not explain: a difference to tcsync, which has reached the
        server."""
        if finding.problem is not Problem.SYNC_UNREACHABLE:
            return finding
        if self._differs:
            return Problem.SYNC_OTHER_PROXY.finding(way=self._way, own_way=self._own_way)
        if self._url.startswith("http://"):
            return finding
        if shows_authority(self._url):
            return Problem.SYNC_SHOWN_AUTHORITY.finding(url=self._url)
        if self._rehearsal.authorities is Authorities.BUILT_IN:
            return Problem.SYNC_BUILT_IN_AUTHORITIES.finding(url=self._url)
        return Problem.SYNC_UNTRUSTED.finding() if self._has_ca_file else finding
