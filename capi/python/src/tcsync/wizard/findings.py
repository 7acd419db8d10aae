"""Every problem that the wizard and the doctor can report: one table of names, texts, remedies, and exit status.

docs/troubleshooting.md has an entry for each name, with the text; a test compares. A new problem starts here. Faults of
the C library have the library's names: TCSYNC_REMOTE_NOT_TLS is RemoteFault.NOT_TLS and Problem.REMOTE_NOT_TLS. In
texts, {words} in braces are filled in; the values are never secrets.
"""

from __future__ import annotations

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
        "Check the port; if the server speaks plain HTTP (only sensible on your own network), its URL begins with http://.",
        ExitCode.SERVER,
        RemoteFault.NOT_TLS,
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
        "If you trust that address, use it as the server's URL on every computer.",
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
    HISTORY_SLOW = (
        "Fetching the data from {url} took too long.",
        "Try again on a faster connection.",
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
        "Ask the server's operator; `tcsync setup --replace --fresh-replica` lets a computer join with all its tasks.",
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
    TASK_OUTPUT_UNKNOWN = (
        "The output of `{command}` cannot be understood: {detail}",
        "Report it, with the version of Taskwarrior.",
        ExitCode.TASKWARRIOR,
    )
    SYNC_GONE = (
        "`task sync` failed with 410: the last version that this computer has synced is not in the server's history.",
        "It has synced with another history, or was away too long. "
        "`tcsync setup --replace --fresh-replica` exports its tasks and joins the history with all of them.",
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
    SYNC_STATUS = (
        "`task sync` got status {status} from the server.",
        "`tcsync doctor` says what the server's answer means.",
        ExitCode.TASKWARRIOR,
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
    SYNC_DIVERGED = (
        "`task sync` failed: this computer's replica and the server's history have diverged.",
        "`tcsync setup --replace --fresh-replica` exports the tasks of this computer and joins with all of them.",
        ExitCode.TASKWARRIOR,
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
    TASKRC_INCLUDE = (
        "A sync setting comes from an included file: {detail}.",
        "Remove the setting from that file; tcsync only changes the taskrc itself.",
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
        "The sync settings in {path} are incomplete: {missing} is not set.",
        "Run `tcsync setup --replace`.",
        ExitCode.NOT_CONFIGURED,
    )
    URL_NEEDS_SLASH = (
        "Taskwarrior {version} drops the end of a URL that does not end with a slash, such as the one that is set "
        "here: {url}.",
        "Run `task config sync.server.url {url}/`, or update Taskwarrior to 3.5.",
        ExitCode.NOT_CONFIGURED,
    )
    SYNC_OTHER_BACKEND = (
        "Taskwarrior here is set to sync in another way: {settings}.",
        "Run `tcsync setup --replace` to use a sync server instead; Taskwarrior uses only one way at a time.",
        ExitCode.NOT_CONFIGURED,
    )
    REPLICA_UNKNOWN = (
        "The state of this computer's replica cannot be read: {detail}.",
        "Set up sync by hand, as docs/multi-computer-setup.md describes, or update tcsync.",
        ExitCode.REFUSED,
    )
    REPLICA_SYNCED_ELSEWHERE = (
        "This computer has already synced with another history. Pointed at this one as it is, it would send only "
        "later changes, and its earlier tasks would be missing on other computers.",
        "Continue with --fresh-replica: tasks are exported, the old data directory's content is kept aside, "
        "and everything is imported into a fresh one.",
        ExitCode.REFUSED,
    )
    REPLICA_GONE = (
        "The last version that this computer has synced is not in the server's history; `task sync` fails with 410.",
        "It has synced with another history, or was away so long that the server has removed that version. "
        "`tcsync setup --replace --fresh-replica` keeps all tasks.",
        ExitCode.CHECK_FAILED,
    )
    HISTORY_LOST = (
        "This computer has synced before, but the server has no data for its client ID.",
        "The server was emptied, or another client ID is set: ask its operator. "
        "`tcsync setup --replace --fresh-replica` begins a new history with all tasks.",
        ExitCode.CHECK_FAILED,
    )
    EXCHANGE_FAILED = (
        "The tasks could not be carried over into a fresh data directory: {detail}. The old one is in place again.",
        "The export is in {export}; compare it with `task export` and report the difference.",
        ExitCode.REFUSED,
    )
    READ_BACK_DIFFERS = (
        "After the sync the server has {remote} tasks and this computer {local}; they should be the same.",
        "Run `tcsync doctor`; if another computer is syncing right now, that is the reason.",
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
        "There is no terminal to ask on, and no flag has the answer: {question}",
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
        "Run `tcsync setup` again at any time.",
        ExitCode.REFUSED,
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
