"""The parts of the manual pages that --help does not have: files, variables, examples. manual_pages.py uses them.

In prose, `code` becomes bold and *words* become italic.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tcsync.wizard.exit_codes import ExitCode

#: The day of the last revision of the texts.
REVISED = "2026-11-30"
MANUALS = (
    "The manuals are in docs/ of tcsync's sources: multi-computer-setup.md, and troubleshooting.md with an entry for "
    "each message."
)
SERVER_MANUALS = "The manuals are in docs/ of tcsync's sources: deploy.md, operating.md and administration.md."

Example = tuple[str, tuple[str, ...]]  # its purpose, and its lines


@dataclass(frozen=True)
class Page:
    """The parts of one command's page. Files and variables are keys of the tables below."""

    statuses: tuple[ExitCode, ...]
    examples: tuple[Example, ...]
    #: Paragraphs after those of --help.
    description: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    environment: tuple[str, ...] = ("taskrc", "home")
    see_also: tuple[str, ...] = field(default=())


FILES = {
    "taskrc": (
        "~/.taskrc",
        "Taskwarrior's configuration, with the three sync settings. One of them is the secret, so only its owner may "
        "read the file. Without it, $XDG_CONFIG_HOME/task/taskrc or ~/.config/task/taskrc is used if it exists.",
    ),
    "backup": (
        "~/.taskrc.backup-TIME",
        "The taskrc before a change of tcsync. It may have an earlier secret in it.",
    ),
    "database": (
        "~/.task/taskchampion.sqlite3",
        "Taskwarrior's database. `data.location` in the taskrc names another directory.",
    ),
    "kept-data": (
        "~/.task/before-tcsync-TIME/",
        "The database as it was before a merge. TASKDATA=DIRECTORY task list looks into it.",
    ),
    "agent-service": (
        "~/.config/systemd/user/tcsync-auto-ID.service, ~/.config/autostart/tcsync-auto-ID.desktop, "
        "~/Library/LaunchAgents/dev.tcsync-auto-ID.plist",
        "One of them starts the agent at each login. There is no secret in it. The ID is that of Taskwarrior's data "
        "directory.",
    ),
    "agent-state": (
        "~/.local/state/tcsync/auto",
        "The agent's lock and its record of the last syncs, in a directory for each of Taskwarrior's data directories.",
    ),
    "unfinished": (
        "~/.task/tcsync-unfinished.json",
        "The trail of a setup that was ended in the middle; the same setup again finishes it and removes the file.",
    ),
}

ENVIRONMENT = {
    "taskrc": ("TASKRC", "The path of the taskrc, as for Taskwarrior."),
    "taskdata": ("TASKDATA", "The directory of Taskwarrior's database; it overrules `data.location`."),
    "home": ("HOME, XDG_CONFIG_HOME", "The places of the taskrc and the data, as for Taskwarrior."),
    "cloud": ("TCSYNC_CLOUD_URL", "The URL of the cloud server that the setup offers, for staging and tests."),
    "proxy": (
        "HTTPS_PROXY, http_proxy, NO_PROXY",
        "The proxy to the server, and hosts without one; https_proxy and no_proxy are known as well.",
    ),
    "authorities": (
        "SSL_CERT_FILE, SSL_CERT_DIR",
        "The certificate authorities to trust, instead of the system's.",
    ),
    "library": ("TCSYNC_LIBRARY", "Another build of the tcsync library, by its path."),
    "plain": ("NO_COLOR", "If it is not empty, the output has no colours."),
}

_ANY = (ExitCode.DONE, ExitCode.CHECK_FAILED, ExitCode.USAGE, ExitCode.INTERRUPTED)
_WITH_SETTINGS = (*_ANY, ExitCode.CREDENTIALS, ExitCode.TASKRC, ExitCode.NOT_CONFIGURED)
_WITH_SERVER = (*_WITH_SETTINGS, ExitCode.SERVER)
_SERVER_CALL = ("taskrc", "taskdata", "home", "proxy", "authorities", "plain")

PAGES = {
    "tcsync": Page(
        (),
        (
            ("On the first computer:", ("tcsync setup",)),
            ("On each further computer, with the pairing code that the first one shows:", ("tcsync setup",)),
            ("Is there something to sync?", ("tcsync status",)),
            ("Is something wrong?", ("tcsync doctor",)),
        ),
        description=(
            "`tcsync` sets up Taskwarrior 3.1 or later to sync through a TaskChampion sync server, so that several "
            "computers have the same tasks. From then on, `task sync` exchanges changes. Tasks are encrypted before "
            "they leave a computer; the server cannot read them.",
            "Without a terminal no command asks a question: a missing answer is an error that names its flag. Secrets "
            "and pairing codes come from a file, a descriptor or standard input, never from an argument or a variable. "
            "`--json` prints one JSON object for programs.",
        ),
    ),
    "setup": Page(
        (*(code for code in ExitCode if code not in (ExitCode.NOT_CONFIGURED, ExitCode.TO_SYNC)),),
        (
            ("At a terminal, with questions:", ("tcsync setup",)),
            (
                "The first computer, in a script:",
                ("tcsync setup --first-computer --server-url https://tasks.example.org --json",),
            ),
            (
                "A further computer, with the code of the first one in a file:",
                ("tcsync setup --merge --pairing-code-file code",),
            ),
        ),
        description=(
            "The setup checks every answer with the server before it changes anything, runs the first `task sync`, and "
            "reads the server's data back. Ctrl-C at any moment restores the previous state.",
        ),
        files=("taskrc", "backup", "database", "kept-data", "unfinished"),
        environment=("cloud", *_SERVER_CALL),
        see_also=("doctor", "pair", "off"),
    ),
    "doctor": Page(
        _ANY,
        (
            ("Each link, one line each:", ("tcsync doctor",)),
            ("Finish a setup whose server could not be reached:", ("tcsync doctor --yes",)),
            ("Merge with the server's history what is different here:", ("tcsync doctor --repair --sync",)),
        ),
        description=(
            "The last check compares every property of every task with the server's, except for tasks with changes "
            "that were not sent. If they differ, or if the server's history does not have the last version that this "
            "computer has synced, the doctor offers a merge at a terminal, and `--repair` agrees in advance: of each "
            "property the later change wins, and a copy of the database is kept. A joined history needs a `task sync` "
            "to be complete, which `--sync` runs.",
            "With `--repair` and `--first-computer` a computer whose server has lost the whole history begins a new "
            "one with all its tasks; this is for one computer only.",
        ),
        files=("taskrc", "database", "kept-data", "unfinished"),
        environment=_SERVER_CALL,
        see_also=("status", "setup"),
    ),
    "auto": Page(
        (*_WITH_SETTINGS, ExitCode.TASKWARRIOR),
        (
            ("Let this computer sync by itself:", ("tcsync auto on",)),
            ("What it did last:", ("tcsync auto status",)),
        ),
        description=(
            "The agent looks at Taskwarrior's database, waits at the server for the changes of other computers, and "
            "syncs as `task sync` does. It is a user service of systemd or launchd where there is one. Elsewhere the "
            "desktop's autostart begins it, and `tcsync auto on` starts it at once.",
            "PATH, TASKRC, TASKDATA and the places of the user's files are the agent's as they were at `tcsync auto "
            "on`. Variables for proxies are not kept.",
        ),
        files=("taskrc", "database", "agent-service", "agent-state"),
        environment=_SERVER_CALL,
        see_also=("status", "doctor", "off"),
    ),
    "status": Page(
        (*_WITH_SERVER, ExitCode.REFUSED, ExitCode.TO_SYNC),
        (
            ("At one glance:", ("tcsync status",)),
            (
                "Sync only if there is something to sync, in a script:",
                ("tcsync status --exit-code > /dev/null", "if [ $? -eq 11 ]; then task sync; fi"),
            ),
        ),
        description=(
            "Taskwarrior does not record when it syncs. The time that is shown is the newest at which a synced task "
            "was changed, on whichever computer: the last sync was then or later. A sync without changes leaves no "
            "trace. The clocks of the computers are taken as right.",
            "Not sent are the changes of this computer that no sync has carried yet, counted as `task sync` counts "
            "them: one for each attribute of a task.",
        ),
        files=("taskrc", "database"),
        environment=_SERVER_CALL,
        see_also=("doctor",),
    ),
    "add": Page(
        _WITH_SERVER,
        (
            ("On a computer that is set up:", ("tcsync add Buy milk --project home --tag shop --due 2026-12-24",)),
            (
                "Elsewhere, with the pairing code in a file, and a text that begins with a dash:",
                ('tcsync add --pairing-code-file code -- "-5 degrees tonight"',),
            ),
        ),
        files=("taskrc",),
        environment=_SERVER_CALL,
        see_also=("export",),
    ),
    "export": Page(
        (*_WITH_SERVER, ExitCode.REFUSED),
        (
            ("All tasks of the server, when every computer is lost:", (
                "tcsync export --pairing-code-file code --output tasks.json",
                "task import tasks.json",
            )),
            ("From a file of the server's operator, without any server:", (
                "tcsync export --from client.ndjson --pairing-code-file code --output tasks.json",
            )),
        ),
        files=("taskrc",),
        environment=_SERVER_CALL,
        see_also=("add",),
    ),
    "show": Page(
        _WITH_SETTINGS,
        (
            ("The settings, without the secret:", ("tcsync show",)),
            ("For a program, with the secret:", ("tcsync show --json --reveal",)),
        ),
        files=("taskrc",),
        see_also=("pair", "status"),
    ),
    "pair": Page(
        _WITH_SETTINGS,
        (
            ("As text and for a camera:", ("tcsync pair --qr",)),
            ("For a computer that can be reached with ssh:", (
                "tcsync pair | ssh desktop tcsync setup --merge --pairing-code-file -",
            )),
        ),
        files=("taskrc",),
        see_also=("setup", "show"),
    ),
    "rotate": Page(
        (*_WITH_SERVER, ExitCode.TASKWARRIOR, ExitCode.REFUSED, ExitCode.DECLINED),
        (
            ("After the loss of a computer:", ("tcsync rotate",)),
            ("The same in a script, and the new code for a computer that can be reached with ssh:", (
                "tcsync rotate --yes --json",
                "tcsync pair | ssh desktop tcsync setup --replace --merge --pairing-code-file -",
            )),
        ),
        description=(
            "The new history begins where this computer is in the old one. Computers that are up to date, or only "
            "behind, continue with it; a computer that has sent something to the old one since then merges. Until it "
            "is set up again, a computer goes on syncing with the old history.",
            "Nothing of this computer is changed before a new computer could receive all tasks from the new history.",
        ),
        files=("taskrc", "backup", "database"),
        environment=_SERVER_CALL,
        see_also=("move", "pair", "setup"),
    ),
    "move": Page(
        (*_WITH_SERVER, ExitCode.TASKWARRIOR, ExitCode.REFUSED, ExitCode.DECLINED),
        (
            ("To a server of one's own:", ("tcsync move --server-url https://tasks.example.org",)),
        ),
        description=(
            "It syncs a last time with the old server. If that cannot be reached, it goes on only when that is wanted. "
            "After an interrupt or a failure before the settings are changed this computer syncs as before, and the "
            "same command again completes the move.",
            "The old server keeps its data until its operator deletes it.",
        ),
        files=("taskrc", "backup", "database"),
        environment=_SERVER_CALL,
        see_also=("rotate", "pair", "setup"),
    ),
    "off": Page(
        (*_ANY, ExitCode.TASKRC),
        (
            ("Look first:", ("tcsync off --dry-run",)),
            ("With a question for each thing:", ("tcsync off",)),
            ("Only the backups that have a secret in them, in a script:", ("tcsync off --backups",)),
        ),
        description=(
            "Changes that were never sent stay on this computer, and are named before the first question. A failure "
            "is reported and does not keep the rest. After an interrupt, everything that was removed is named, and "
            "another run goes on.",
            "Removed files are not overwritten: the disk may keep traces of them until their space is used again.",
        ),
        files=("taskrc", "backup", "kept-data"),
        environment=("taskrc", "taskdata", "home"),
        see_also=("setup", "show"),
    ),
    "completion": Page(
        (ExitCode.DONE, ExitCode.USAGE),
        (
            ("For bash 4.4 or later, in ~/.bashrc:", ('eval "$(tcsync completion bash)"',)),
            ("Or as a file, where the package bash-completion is installed:", (
                "mkdir -p ~/.local/share/bash-completion/completions",
                "tcsync completion bash > ~/.local/share/bash-completion/completions/tcsync",
            )),
            ("As a file for fish:", ("tcsync completion fish > ~/.config/fish/completions/tcsync.fish",)),
        ),
        files=(),
        environment=(),
    ),
}  # fmt: skip

SERVER_SIGNALS = (
    ("SIGTERM, SIGINT", "Finish the requests in flight and exit with status 0; a second signal exits at once."),
    ("SIGHUP", "Read the files of `--tls-cert` and `--tls-key` again, and restore the log level of the option."),
)
SERVER_FILES = (
    ("data/", "The data directory, in the working directory unless `--data-dir` names another. It is never shared."),
    ("data/admin.sock", "The socket of the commands, while a server runs; for the owner of the directory only."),
)
SERVER_EXAMPLES = (
    ("A server for this computer only:", ("tcsync-server --data-dir /var/lib/tcsync",)),
    (
        "A server on the network, with a certificate of its own:",
        (
            "tcsync-server --data-dir /var/lib/tcsync --listen 0.0.0.0:443 \\",
            "    --tls-cert /etc/tcsync/cert.pem --tls-key /etc/tcsync/key.pem",
        ),
    ),
    ("The three lines of a new user's taskrc:", ("tcsync-server credentials --url https://tasks.example.org",)),
    (
        "A backup of a running server, of which the last seven stay:",
        ("tcsync-server backup /var/backups/tcsync --keep 7 --data-dir /var/lib/tcsync",),
    ),
)
