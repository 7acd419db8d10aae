"""Every problem that the wizard and the doctor can report: one table of names, texts, remedies, and exit status.

docs/troubleshooting.md has an entry for each name, with the text; a test compares. A new problem starts here. Faults of
the C library have the library's names: TCSYNC_REMOTE_NOT_TLS is RemoteFault.NOT_TLS and Problem.REMOTE_NOT_TLS. In
texts, {words} in braces are filled in; the values are never secrets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from tcsync import RemoteFault, UnsealFault

from .exit_codes import ExitCode

# The common text of several faults.
_DAMAGED = (
    "The data on the server is damaged: {detail}.",
    "Tell the server's operator; the tasks on your computers are not affected.",
    ExitCode.CREDENTIALS,
)
_NETWORK_FAILED = (
    "The connection to {url} failed: {detail}.",
    "Check this computer's internet connection, VPN and firewall, then try again.",
    ExitCode.SERVER,
)


@dataclass(frozen=True)
class Finding:
    """One problem that was found, with the values of this case in its texts."""

    problem: Problem
    text: str
    remedy: str

    @property
    def exit_code(self) -> ExitCode:
        return self.problem.exit_code

    def as_json(self) -> dict[str, str]:
        return {"id": self.problem.identifier, "text": self.text, "remedy": self.remedy}

    @classmethod
    def from_json(cls, values: Mapping[str, str]) -> Finding:
        """The opposite. ValueError for anything else."""
        try:
            problem = Problem[values["id"].upper().replace("-", "_")]
            return cls(problem, values["text"], values["remedy"])
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"no finding: {error}") from None


class CommandStopped(Exception):
    """Ends a command with a finding. Its raiser has already reverted its own changes."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.text)
        self.finding = finding


class Problem(Enum):
    """A possible problem: the text, the remedy, the exit status, and the fault of the binding that it stands for, if
    any."""

    def __init__(
        self, text: str, remedy: str, exit_code: ExitCode, fault: RemoteFault | UnsealFault | None = None
    ) -> None:
        self.text = text
        self.remedy = remedy
        self.exit_code = exit_code
        self.fault = fault

    @property
    def identifier(self) -> str:
        """The name for people and scripts, such as "remote-not-tls"."""
        return self.name.lower().replace("_", "-")

    def finding(self, **values: object) -> Finding:
        """This problem with its values."""
        return Finding(self, self.text.format(**values), self.remedy.format(**values))

    def stop(self, **values: object) -> CommandStopped:
        """The exception that ends a command with this problem: `raise Problem.X.stop(...)`."""
        return CommandStopped(self.finding(**values))

    # The server

    REMOTE_NAME_NOT_RESOLVED = (
        "The name of the server at {url} is not known (DNS).",
        "Check the spelling of the URL and this computer's internet connection.",
        ExitCode.SERVER,
        RemoteFault.NAME_NOT_RESOLVED,
    )
    REMOTE_CONNECTION_REFUSED = (
        "Nothing listens at {url}: the connection was refused.",
        "Check the port in the URL; if the server is yours, start it.",
        ExitCode.SERVER,
        RemoteFault.CONNECTION_REFUSED,
    )
    REMOTE_NETWORK_FAILED = (*_NETWORK_FAILED, RemoteFault.NETWORK_FAILED)
    REMOTE_FAILED = (*_NETWORK_FAILED, RemoteFault.FAILED)
    REMOTE_TIMED_OUT = (
        "The server at {url} did not answer in time.",
        "Try again in a minute; if that fails, a firewall may drop the connection, or the server is overloaded.",
        ExitCode.SERVER,
        RemoteFault.TIMED_OUT,
    )
    REMOTE_PROXY_FAILED = (
        "The HTTP proxy on the way to {url} failed: {detail}.",
        "Check the environment variables HTTPS_PROXY, HTTP_PROXY and NO_PROXY.",
        ExitCode.SERVER,
        RemoteFault.PROXY_FAILED,
    )
    REMOTE_CERTIFICATE_EXPIRED = (
        "The certificate of {url} has expired or is not valid yet.",
        "Check this computer's date and time; if they are right, the server's operator must renew the certificate.",
        ExitCode.SERVER,
        RemoteFault.CERTIFICATE_EXPIRED,
    )
    REMOTE_CERTIFICATE_UNTRUSTED = (
        "The certificate of {url} is signed by an authority that this computer does not know.",
        "For a private authority, install its certificate in the system (Taskwarrior needs it there, too); "
        "--ca-file FILE makes tcsync alone trust it.",
        ExitCode.SERVER,
        RemoteFault.CERTIFICATE_UNTRUSTED,
    )
    REMOTE_CERTIFICATE_WRONG_HOST = (
        "The certificate of {url} is for another host name.",
        "Use the name that the certificate is for in the URL.",
        ExitCode.SERVER,
        RemoteFault.CERTIFICATE_WRONG_HOST,
    )
    REMOTE_NOT_TLS = (
        "The server at {url} does not speak TLS; most likely it speaks plain HTTP.",
        "Check the port; if the server speaks plain HTTP (only sensible on your own network), its URL begins with "
        "http://.",
        ExitCode.SERVER,
        RemoteFault.NOT_TLS,
    )
    REMOTE_SPEAKS_TLS = (
        "The URL {url} begins with http://, but the server speaks TLS there.",
        "Use {tls_url} as the server's URL, on every computer.",
        ExitCode.SERVER,
    )
    REMOTE_TLS_FAILED = (
        "The TLS connection to {url} failed: {detail}.",
        "Check that nothing between here and there alters the connection, such as a proxy or a virus scanner.",
        ExitCode.SERVER,
        RemoteFault.TLS_FAILED,
    )
    REMOTE_NOT_ALLOWED = (
        "The server at {url} does not allow the client ID {client_id} (403).",
        "Check the client ID and the URL with its path; then ask the server's operator for an invite or the reason.",
        ExitCode.CREDENTIALS,
        RemoteFault.NOT_ALLOWED,
    )
    FRONT_UNAUTHORIZED = (
        "A program in front of the sync server asks for a user name and a password (401).",
        "Its operator must exempt the paths under /v1/client/, where the sync server itself decides by the client ID.",
        ExitCode.SERVER,
    )
    REMOTE_RATE_LIMITED = (
        "The server at {url} asks to slow down (429): {detail}.",
        "Wait as long as it says, or a few minutes, then try again.",
        ExitCode.SERVER,
        RemoteFault.RATE_LIMITED,
    )
    REMOTE_REJECTED = (
        "The server at {url} rejects the request: {detail}.",
        "Check the path in the URL; a proxy in front of the server may be in the way, too.",
        ExitCode.SERVER,
        RemoteFault.REJECTED,
    )
    REMOTE_SERVER_UNAVAILABLE = (
        "The server at {url} cannot be used right now: {detail}.",
        "Try again in a minute; if that does not help, tell its operator.",
        ExitCode.SERVER,
        RemoteFault.SERVER_UNAVAILABLE,
    )
    REMOTE_SERVER_FULL = (
        "The server at {url} has no room for more (507): {detail}.",
        "Its operator must make room; nothing is lost.",
        ExitCode.SERVER,
        RemoteFault.SERVER_FULL,
    )
    REMOTE_SERVER_FAILED = (
        "The server at {url} has an error of its own: {detail}.",
        "Try again later; if that does not help, its operator finds the reason in the server's log.",
        ExitCode.SERVER,
        RemoteFault.SERVER_FAILED,
    )
    REMOTE_REDIRECTED = (
        "The server at {url} redirects, and redirects are not followed: {detail}.",
        "If you trust that address, use it as the server's URL on every computer. "
        "(`task sync` follows redirects, but after 301, 302 or 303 it only fetches, and cannot send.)",
        ExitCode.SERVER,
        RemoteFault.REDIRECTED,
    )
    REMOTE_TOO_LARGE = (
        "The data to be sent exceeds the limit of the server at {url} (413).",
        "Its operator can raise the limit.",
        ExitCode.SERVER,
        RemoteFault.TOO_LARGE,
    )
    REMOTE_BROKEN_ANSWER = (
        "The server at {url} is not a TaskChampion sync server: {detail}.",
        "Check the URL: a missing path or another port is a common reason. In a browser, a sync server names itself.",
        ExitCode.SERVER,
        RemoteFault.BROKEN_ANSWER,
    )
    REMOTE_ANSWER_TOO_LARGE = (
        "The server at {url} sent more than can be accepted: {detail}.",
        "Check that the URL is that of your sync server.",
        ExitCode.SERVER,
        RemoteFault.ANSWER_TOO_LARGE,
    )

    # Credentials, and the data that they open

    UNSEAL_WRONG_KEY = (
        "The data on the server does not open with this secret: the secret or the client ID is wrong.",
        "Copy both again from the first computer, or use its pairing code (`tcsync pair` shows it).",
        ExitCode.CREDENTIALS,
        UnsealFault.WRONG_KEY,
    )
    UNSEAL_TRUNCATED = (*_DAMAGED, UnsealFault.TRUNCATED)
    UNSEAL_UNKNOWN_FORMAT = (*_DAMAGED, UnsealFault.UNKNOWN_FORMAT)
    UNSEAL_NOT_AUTHENTIC = (*_DAMAGED, UnsealFault.NOT_AUTHENTIC)
    UNSEAL_FAILED = (*_DAMAGED, UnsealFault.FAILED)
    HISTORY_UNREADABLE = (
        "The data on the server cannot be read as tasks: {detail}.",
        "Update tcsync on this computer; report it if that does not help.",
        ExitCode.CREDENTIALS,
    )
    HISTORY_ENDLESS = (
        "The server has sent {operations} changes and does not come to an end.",
        "Check that the URL is that of your sync server.",
        ExitCode.SERVER,
    )
    HISTORY_BEGINNING_GONE = (
        "The beginning of the history has been removed from the server, and no snapshot covers it, so no new computer "
        "can receive it.",
        "Run `tcsync rotate` on a computer that is up to date: it begins a new history with all tasks, which this "
        "computer can join.",
        ExitCode.SERVER,
    )
    HISTORY_EMPTY = (
        "The server has no data for the client ID {client_id}: "
        "a typo in the client ID, or the first computer has not synced yet.",
        "Compare the client ID with the first computer's (`tcsync show`), and run `task sync` there.",
        ExitCode.CREDENTIALS,
    )
    HISTORY_NOT_BEGUN = (
        "The server has no data for the client ID {client_id}, so the task would begin a new history, which a computer "
        "that has synced before could not join.",
        "Run `task sync` on a computer that has the tasks. "
        "Only if no computer has ever synced with these credentials, add --first.",
        ExitCode.CREDENTIALS,
    )
    HISTORY_REPLACED = (
        "The data of the client ID {client_id} was removed from the server while the task was being added: "
        "the task has begun a new history.",
        "Ask the server's operator; `tcsync doctor --repair` lets a computer join with all its tasks.",
        ExitCode.SERVER,
    )
    PAIRING_CODE_INVALID = (
        "This is not a valid pairing code: {detail}.",
        "`tcsync pair` shows the code on the first computer; copy the whole line.",
        ExitCode.CREDENTIALS,
    )
    URL_INVALID = (
        "This is not a valid server URL: {detail}.",
        "Enter a URL such as https://sync.example.com.",
        ExitCode.CREDENTIALS,
    )
    CLIENT_ID_INVALID = (
        "This is not a valid client ID: {detail}.",
        "`tcsync show` shows the client ID on the first computer.",
        ExitCode.CREDENTIALS,
    )
    SECRET_INVALID = (
        "This is not a valid secret: {detail}.",
        "`tcsync show --reveal` shows the secret on the first computer.",
        ExitCode.CREDENTIALS,
    )
    SETTINGS_INCOMPLETE = (
        "These are not all of another computer's settings: {missing} missing.",
        "Copy all three lines, or use the pairing code (`tcsync pair` shows it on the first computer).",
        ExitCode.CREDENTIALS,
    )
    FIELDS_SWAPPED = (
        "This looks like {found}, but {wanted} is needed here.",
        "Enter the fields in the order in which they are asked for.",
        ExitCode.CREDENTIALS,
    )

    # Taskwarrior

    TASK_MISSING = (
        "Taskwarrior is not installed: there is no program `{command}` on the PATH.",
        "Install Taskwarrior 3.1 or later (taskwarrior.org/download; on macOS `brew install task`).",
        ExitCode.TASKWARRIOR,
    )
    TASK_NOT_TASKWARRIOR = (
        "The program {path} is not Taskwarrior: `{path} --version` does not answer with a version.",
        "Put Taskwarrior first on the PATH, or name it with --task FILE.",
        ExitCode.TASKWARRIOR,
    )
    TASK_TOO_OLD = (
        "Taskwarrior {version} at {path} is too old: it cannot use this kind of sync server.",
        "Install Taskwarrior 3.1 or later; the packages of Debian 12 and 13 and of Ubuntu 24.04 are too old. Then "
        "`task import-v2` (from 3.3 on) brings your tasks along. tcsync's page “Your tasks on several computers” has "
        "both under “Taskwarrior 3”.",
        ExitCode.TASKWARRIOR,
    )
    TASK_HANGS = (
        "Taskwarrior hangs: `{command}` was stopped after {seconds} s.",
        "Run the command by hand to see what it waits for (a hook, a lock, a question); --task-timeout waits longer.",
        ExitCode.TASKWARRIOR,
    )
    TASK_FAILS = (
        "Taskwarrior failed: `{command}` ended with status {status}: {detail}",
        "Run the command by hand; the message is Taskwarrior's own.",
        ExitCode.TASKWARRIOR,
    )
    HOOK_FAILS = (
        "`task sync` fails because of the hook {hook}: {detail}",
        "Correct the hook, or switch it off with `chmod -x {path}`; then run `task sync` again.",
        ExitCode.TASKWARRIOR,
    )
    HOOK_HANGS = (
        "`{command}` was stopped after {seconds} s, while it ran the hook {hook}.",
        "Correct the hook, or switch it off with `chmod -x {path}`; --task-timeout waits longer.",
        ExitCode.TASKWARRIOR,
    )
    SYNC_GONE = (
        "`task sync` failed with 410: the last version that this computer has synced is not in the server's history.",
        "It has synced with another history, or was away too long. "
        "`tcsync doctor --repair` joins the history with all of its tasks.",
        ExitCode.TASKWARRIOR,
    )
    SYNC_WRONG_SECRET = (
        "`task sync` could not open the data on the server: another secret or client ID is configured.",
        "`tcsync setup --replace` sets the right ones.",
        ExitCode.CREDENTIALS,
    )
    SYNC_NOT_ALLOWED = (
        "`task sync` was refused by the server (403): the client ID is not allowed.",
        "Ask the server's operator to allow the client ID that `tcsync show` names.",
        ExitCode.CREDENTIALS,
    )
    SYNC_RATE_LIMITED = (
        "`task sync` was asked by the server to slow down (429): too many requests came at once.",
        "Wait a few minutes, then try again; if that does not help, ask the server's operator for a higher limit.",
        ExitCode.SERVER,
    )
    SYNC_NOT_FOUND = (
        "`task sync` asked for something that the server at this URL does not know (404): it is no sync server, or the "
        "path or token in the URL is wrong.",
        "Compare the whole URL, with its path, with that of the first computer (`tcsync show`); a proxy in front of "
        "the server may be in the way, too.",
        ExitCode.SERVER,
    )
    SYNC_TOO_LARGE = (
        "`task sync` was refused by the server (413): the changes to be sent exceed its limit.",
        "The server's operator can raise the limit, of a proxy in front of it as well.",
        ExitCode.SERVER,
    )
    SYNC_SERVER_FULL = (
        "`task sync` was refused by the server (507): it has no room for more.",
        "The server's operator must make room; nothing is lost.",
        ExitCode.SERVER,
    )
    SYNC_SERVER_FAILED = (
        "`task sync` was answered with status {status}: the server or a proxy in front of it has an error of its own.",
        "Try again in a minute; if that does not help, the server's operator finds the reason in its log.",
        ExitCode.SERVER,
    )
    SYNC_STATUS = (
        "`task sync` was answered with status {status}, which no sync server sends: something else answers at its URL.",
        "Check the URL with its path (`tcsync show`); a proxy in front of the server may be in the way, too.",
        ExitCode.SERVER,
    )
    SYNC_UNREACHABLE = (
        "`task sync` could not reach the server: {detail}",
        "`tcsync doctor` says which link of the chain is broken.",
        ExitCode.TASKWARRIOR,
    )
    SYNC_UNTRUSTED = (
        "`task sync` could not reach the server, which tcsync reaches with --ca-file: "
        "Taskwarrior only trusts the authorities of the system.",
        "Install the authority's certificate in the system (on Debian: /usr/local/share/ca-certificates, then "
        "update-ca-certificates), or set SSL_CERT_FILE for Taskwarrior. Taskwarrior 3.1, and later ones that were "
        "built with their own list of authorities, look at neither.",
        ExitCode.TASKWARRIOR,
    )
    SYNC_BUILT_IN_AUTHORITIES = (
        "`task sync` does not trust the certificate of {url}: this Taskwarrior was built with a list of authorities, "
        "and ignores the system's.",
        "Use a certificate by a public authority on the server, or a Taskwarrior 3.2 or later that was built with "
        "-DENABLE_TLS_NATIVE_ROOTS=ON.",
        ExitCode.TASKWARRIOR,
    )
    SYNC_SHOWN_AUTHORITY = (
        "`task sync` refuses the certificate of {url}: it is an authority's (CA:TRUE), which no server may show as its "
        "own.",
        "On the server, use a certificate that is signed by an authority, or a self-signed one with CA:FALSE; "
        "then install the authority or the self-signed certificate in the system.",
        ExitCode.TASKWARRIOR,
    )
    PROXY_UNUSABLE = (
        "`task sync` cannot use its proxy: the environment variable {variable} {fault}.",
        "Run `unset {variable}`, or set it to a URL such as http://proxy.example.com:3128.",
        ExitCode.TASKWARRIOR,
    )
    SYNC_OTHER_PROXY = (
        "`task sync` goes {way} and cannot reach the server, which tcsync reaches {own_way}.",
        "Set HTTPS_PROXY (HTTP_PROXY for a URL with http://) to a proxy that reaches the server, or unset both; "
        "while either is set, Taskwarrior does not obey NO_PROXY and ALL_PROXY.",
        ExitCode.TASKWARRIOR,
    )
    SYNC_REDIRECTED = (
        "`task sync` can fetch, but not send: the server answered {status}, most likely after a redirect, "
        "behind which Taskwarrior fetches instead of sending.",
        "Use the address to which the server redirects as the server's URL, on every computer.",
        ExitCode.TASKWARRIOR,
    )
    SYNC_DIVERGED = (
        "`task sync` failed: this computer's replica and the server's history have diverged.",
        "`tcsync doctor --repair` joins the server's history with all tasks of this computer.",
        ExitCode.TASKWARRIOR,
    )
    SYNC_DATABASE_IN_USE = (
        "`task sync` gave up, because another program held Taskwarrior's database for too long.",
        "Close other programs that use Taskwarrior's data, or wait until their sync has ended, and try again.",
        ExitCode.TASKWARRIOR,
    )
    SYNC_BROKEN_OFF = (
        "A sync ended in its middle, with status {status}: {detail}",
        "All changes that it had received and sent stay, and the agent tries again by itself. If that repeats, this "
        "computer may be short of memory.",
        ExitCode.CHECK_FAILED,
    )
    SYNC_ENDLESS = (
        "A sync was stopped after {seconds} s. All changes that it had received and sent stay, and the next one "
        "continues there.",
        "With a slow connection, `tcsync auto on --task-timeout SECONDS` allows ten times that long.",
        ExitCode.SERVER,
    )
    SYNC_HALF_DONE = (
        "The first sync had begun to take effect and then failed, so the settings were kept: {detail}",
        "Run `task sync` again, or `tcsync doctor`, which says what is wrong.",
        ExitCode.TASKWARRIOR,
    )
    SYNC_FAILED = (
        "`task sync` failed (status {status}): {detail}",
        "`tcsync doctor` checks each link of the chain; the message is Taskwarrior's own.",
        ExitCode.TASKWARRIOR,
    )

    # This computer

    TASKRC_UNUSABLE = (
        "The taskrc cannot be used: {detail}.",
        "Correct the file with an editor; nothing in it was changed.",
        ExitCode.TASKRC,
    )
    TASKRC_CHANGED = (
        "The taskrc was changed by another program at the same moment: {detail}.",
        "Run the command again.",
        ExitCode.TASKRC,
    )
    TASKRC_INCLUDE = (
        "A sync setting comes from an included file: {detail}.",
        "Put a # before that line, in the way in which the file is kept, or make the file writable for you.",
        ExitCode.TASKRC,
    )
    TASKRC_READ_ONLY = (
        "The taskrc {path} cannot be changed: {detail}. Nothing was changed.",
        "Make it writable. If another program writes it (Nix, chezmoi), let that program add the line `{include}` "
        "at its end, then run `tcsync setup` again: the settings go into that file.",
        ExitCode.TASKRC,
    )
    TASKRC_PUBLISHED = (
        "The secret would be published by the git repository {repository}: {path} is in it, and so is every other "
        "place for the sync settings.",
        "Let git ignore one place: add the line `tcsync-sync.rc` to {repository}/.gitignore, "
        "and run the command again.",
        ExitCode.TASKRC,
    )
    TASKRC_SYNC_FILE_MISSING = (
        "Taskwarrior cannot start: the taskrc includes {file}, the sync settings of this computer, which is not there.",
        "Run `tcsync setup`, which creates it.",
        ExitCode.NOT_CONFIGURED,
    )
    SECRET_IN_REPOSITORY = (
        "The secret is in {path}, and the git repository {repository} publishes it with the next commit.",
        "Run `tcsync setup`, which offers to move it to a file outside of the repository. If it was committed already, "
        "everybody who can read the repository can read your tasks: set up a new history.",
        ExitCode.TASKRC,
    )
    SYNC_VALUE_CORRECTABLE = (
        "Taskwarrior cannot use the value of {name} in {place}: {detail}.",
        "Run `tcsync setup`, which offers to write {corrected} instead.",
        ExitCode.TASKRC,
    )
    SYNC_VALUE_UNUSABLE = (
        "The value of {name} in {place} cannot be used: {detail}.",
        "Run `tcsync setup --replace`, and enter the value as the first computer has it.",
        ExitCode.TASKRC,
    )
    SYNC_URL_WITHOUT_SLASH = (
        "The URL in {place} has a path without a slash at its end: Taskwarrior before 3.5 drops the path's last part.",
        "Run `tcsync setup`, which offers to write {corrected} instead.",
        ExitCode.TASKRC,
    )
    TASKRC_EXPOSED = (
        "Other users of this computer can read {path} (mode {mode}), which has the secret in it.",
        "Run `chmod 600 {path}`.",
        ExitCode.TASKRC,
    )
    TASKRC_MISSING = (
        "Taskwarrior was never set up here: there is no taskrc at {path}.",
        "Run `tcsync setup`, which creates it.",
        ExitCode.NOT_CONFIGURED,
    )
    SYNC_NOT_CONFIGURED = (
        "This computer has no sync settings in {path}.",
        "Run `tcsync setup`.",
        ExitCode.NOT_CONFIGURED,
    )
    SYNC_INCOMPLETE = (
        "The sync settings in {path} are incomplete: {missing} not set.",
        "Run `tcsync setup --replace`.",
        ExitCode.NOT_CONFIGURED,
    )
    SYNC_OTHER_BACKEND = (
        "Taskwarrior here is set to sync in another way: {settings}.",
        "Run `tcsync setup --replace` to use a sync server instead; Taskwarrior uses only one way at a time.",
        ExitCode.NOT_CONFIGURED,
    )
    REPLICA_UNKNOWN = (
        "This computer's replica has a format that is not known here: {detail}.",
        "Update tcsync.",
        ExitCode.REFUSED,
    )
    DATABASE_GONE = (
        "Taskwarrior's database in {directory} was there, and is gone.",
        "Put it back, and the agent continues. `tcsync auto on` lets it begin again with the tasks on the server.",
        ExitCode.REFUSED,
    )
    REPLICA_DAMAGED = (
        "This computer's replica is damaged: {detail}.",
        "Restore the file from a copy, or move it away and run `task sync`, which brings back all that had been "
        "synced.",
        ExitCode.REFUSED,
    )
    REPLICA_UNREADABLE = (
        "This computer's replica cannot be read now: {detail}.",
        "Make room if the disk is full, check that you may write to the data directory, close other programs that use "
        "Taskwarrior's data, and run the command again.",
        ExitCode.REFUSED,
    )
    REPLICA_SYNCED_ELSEWHERE = (
        "This computer has already synced with another history. Pointed at this one as it is, it would send only "
        "later changes, and its earlier tasks would be missing on other computers.",
        "Run the setup again when the server can be reached: it merges the tasks with those of the history.",
        ExitCode.REFUSED,
    )
    REPLICA_GONE = (
        "The last version that this computer has synced is not in the server's history; `task sync` fails with 410.",
        "It has synced with another history, or was away so long that the server has removed that version. "
        "`tcsync doctor --repair` joins the history with all tasks of this computer.",
        ExitCode.CHECK_FAILED,
    )
    HISTORY_LOST = (
        "This computer has synced before, but the server has no data for its client ID.",
        "The server was emptied, or another client ID is set: ask its operator. "
        "`tcsync doctor --repair --first-computer` begins a new history with all tasks.",
        ExitCode.CHECK_FAILED,
    )
    COMPUTER_BUSY = (
        "Another tcsync command, or a sync of the agent, is at work on Taskwarrior's data in {directory}.",
        "Wait until it has ended, or end it (the agent by `tcsync auto off`), then try again.",
        ExitCode.REFUSED,
    )
    AGENT_RUNS = (
        "Another agent, process {pid}, keeps these tasks in sync already.",
        "`tcsync auto status` shows it; `tcsync auto off` ends it.",
        ExitCode.REFUSED,
    )
    AGENT_STOPPED = (
        "The agent that keeps this computer in sync does not run: its service is there, {file}.",
        "Run `tcsync auto on`, or `tcsync auto off` if it is not wanted any more.",
        ExitCode.CHECK_FAILED,
    )
    AGENT_NOT_STARTED = (
        "The agent could not be started: {detail}.",
        "`tcsync auto on` tries again, once the cause is gone; until then run `task sync` yourself.",
        ExitCode.CHECK_FAILED,
    )
    AGENT_NOT_STOPPED = (
        "The agent could not be removed: {detail}.",
        "Try again once the cause is gone.",
        ExitCode.CHECK_FAILED,
    )
    REPLICA_FAILED = (
        "This computer's replica could not be changed: {detail}.",
        "Close other programs that use Taskwarrior's data, make room if the disk is full, and run the command again; "
        "nothing was changed.",
        ExitCode.REFUSED,
    )
    JOINED_NOT_CONFIGURED = (
        "This computer's tasks have joined the history, and then the settings could not be written: {detail}",
        "Correct that, and run `tcsync setup` again with the same answers. Nothing is lost; the data as it was before "
        "is in {path}.",
        ExitCode.TASKRC,
    )
    SETUP_UNFINISHED = (
        "A `tcsync {command}` of {started} was ended in the middle, by a crash or a kill.",
        "Run it again with the same answers; or, if the settings are the right ones, `tcsync doctor --sync`, which "
        "finishes it as well. Nothing is lost; the data as it was before is in {path}.",
        ExitCode.CHECK_FAILED,
    )
    NOTHING_SYNCED = (
        "This computer has not synced yet, so there is no history to take along.",
        "Run `tcsync doctor`, which finishes the setup, or `tcsync setup --replace` for other settings.",
        ExitCode.NOT_CONFIGURED,
    )
    CLIENT_IN_USE = (
        "The server at {url} has another history of the client ID {client_id} already.",
        "Nothing was changed. If it is yours, `tcsync setup --replace` joins it with all tasks of this computer.",
        ExitCode.REFUSED,
    )
    ROTATION_UNREADABLE = (
        "The new history at {url} is not complete: a new computer could not receive all tasks.",
        "Nothing was changed on this computer; try again, or ask the server's operator whether it accepts snapshots.",
        ExitCode.REFUSED,
    )
    ALREADY_THERE = (
        "This computer syncs with {url} already.",
        "If a move to it was interrupted, it is done here: `tcsync doctor --sync` checks it, and `tcsync pair` shows "
        "the code for the other computers. `tcsync rotate` changes the client ID and the secret.",
        ExitCode.USAGE,
    )
    READ_BACK_DIFFERS = (
        "The server and this computer do not have the same tasks: {differences}.",
        "If another computer is syncing right now, that is the reason: run `tcsync doctor` in a minute. "
        "`tcsync doctor --repair` makes them the same.",
        ExitCode.CHECK_FAILED,
    )
    CLOCK_WRONG = (
        "This computer's clock is {seconds} s {direction} the server's.",
        "Set the date and time; certificates and the order of changes depend on them.",
        ExitCode.CHECK_FAILED,
    )
    RECURRENCE_DOUBLED = (
        "{number} repetitions of recurring tasks exist more than once, because two computers have made them. On this "
        "computer the setting `recurrence` is {here}.",
        "Run `task config recurrence off` on all computers but one. Then run, on one of them, "
        "`task rc.recurrence.confirmation=no {tasks} delete`, which leaves one of each, and `task sync` on all.",
        ExitCode.CHECK_FAILED,
    )
    RECURRENCE_STOPPED = (
        "No computer has made the repetitions of {number} recurring tasks for some days: {tasks}. On this computer the "
        "setting `recurrence` is off.",
        "Run `task list` and `task sync` on the computer that should make them. If there is none any more, run "
        "`task config recurrence on` here.",
        ExitCode.CHECK_FAILED,
    )
    SYNC_UNFINISHED = (
        "This computer has not synced yet: the setup is unverified.",
        "Run `tcsync doctor` in a terminal or with --yes to finish it.",
        ExitCode.CHECK_FAILED,
    )
    KEYRING_FAILED = (
        "The copy in the keyring could not be written: {detail}.",
        "Nothing depends on it; the credentials are in the taskrc.",
        ExitCode.CHECK_FAILED,
    )

    # Leaving

    NOT_REMOVED = (
        "{what} could not be removed: {detail}.",
        "Correct the reason and run `tcsync off` again, or remove it by hand; nothing else depends on it.",
        ExitCode.CHECK_FAILED,
    )
    INTERRUPTED_WHILE_REMOVING = (
        "Interrupted. Already removed: {removed}. Everything else is as it was, but for what was being removed.",
        "Run `tcsync off` again to go on.",
        ExitCode.INTERRUPTED,
    )

    # Adding and exporting

    TEXT_REFUSED = (
        "The task cannot be added: {detail}.",
        "Nothing was sent; correct it and try again.",
        ExitCode.USAGE,
    )
    ADD_CONFLICTS = (
        "The server refused the task {tries} times, because other changes came before it.",
        "Nothing was added; try again when the other computers have synced.",
        ExitCode.SERVER,
    )
    ADD_UNKNOWN = (
        "It is not known whether the task {task} was added: {detail}.",
        "Look for it with `task sync` on another computer or with `tcsync export`; add it again if it is not there.",
        ExitCode.SERVER,
    )
    INTERRUPTED_WHILE_ADDING = (
        "Interrupted while the task {task} was being sent: it may have been added.",
        "Look for it with `task sync` on another computer or with `tcsync export`; add it again if it is not there.",
        ExitCode.INTERRUPTED,
    )
    CREDENTIALS_NEEDED = (
        "No flag gives credentials, and this computer has no sync settings: {path} has none, or does not exist.",
        "Give --pairing-code-file FILE; - reads the pairing code from standard input.",
        ExitCode.NOT_CONFIGURED,
    )
    OUTPUT_EXISTS = (
        "There is already a file {path}.",
        "Name another file, or replace it with --force.",
        ExitCode.REFUSED,
    )
    OUTPUT_FAILED = (
        "The export could not be written to {path}: {detail}.",
        "Make room or name another file; what was there before is unchanged.",
        ExitCode.CHECK_FAILED,
    )
    EXPORT_UNREADABLE = (
        "The exported file {path} cannot be read: {detail}.",
        "Name a file that the server's operator has written with `tcsync-server clients export`.",
        ExitCode.CHECK_FAILED,
    )

    # The commands

    ANSWER_NEEDED = (
        "Nothing may be asked here (no terminal, --json or --yes), and no flag has the answer: {question}",
        "Give {flag}.",
        ExitCode.USAGE,
    )
    FLAGS_CONFLICT = (
        "{detail}.",
        "See the command's --help.",
        ExitCode.USAGE,
    )
    SECRET_UNREADABLE = (
        "The {what} could not be read from {source}: {detail}.",
        "Name a file or descriptor with it in one line.",
        ExitCode.USAGE,
    )
    CA_FILE_UNUSABLE = (
        "The certificate authorities cannot be used: {detail}.",
        "Name a readable PEM file with --ca-file, or leave that out. `tcsync auto on` gives the agent another one or "
        "none.",
        ExitCode.USAGE,
    )
    LIBRARY_FAILED = (
        "The tcsync library cannot be used: {detail}.",
        "Install the package again.",
        ExitCode.CHECK_FAILED,
    )
    UNEXPECTED = (
        "An unexpected failure: {detail}.",
        "Report it, with this message.",
        ExitCode.CHECK_FAILED,
    )
    DECLINED = (
        "Stopped as you asked; nothing was changed.",
        "Run the command again at any time.",
        ExitCode.DECLINED,
    )
    INTERRUPTED = (
        "Interrupted. Nothing was changed: everything is as it was before.",
        "Run the command again at any time.",
        ExitCode.INTERRUPTED,
    )
    INTERRUPTED_WHILE_SYNCING = (
        "Interrupted after the first sync had begun to take effect: the settings were kept.",
        "Run `tcsync doctor` to finish.",
        ExitCode.INTERRUPTED,
    )


PROBLEM_OF_FAULT = {problem.fault: problem for problem in Problem if problem.fault}
