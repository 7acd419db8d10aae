"""The setup's sentences and questions. Problems have their own table, in findings.py."""

OPTIONS_HEADING = "TaskChampion Server Options:"
OPTION_SELF_HOSTED = "Self-hosted (you run the server)"
OPTION_SKIP = "Skip for now"
CHOOSE = "Choose option"
SKIPPED = "Skipped. `tcsync setup` sets up sync at any time; nothing was changed."

ABOUT_CREDENTIALS = (
    "Credentials are those that another computer of yours syncs with: `tcsync pair` there shows them as a pairing code."
)
HAVE_CREDENTIALS = "Do you have existing credentials from another computer?"
FIRST_BEGINS = (
    "The first computer begins a new, empty history. Computers that already sync do not see its tasks.\n"
    "Every further one needs the pairing code instead."
)
IS_FIRST = "Is this the first of your computers to sync?"
ASK_CODE = "Pairing code (or Enter to type URL, client ID and secret)"
ASK_URL = "Server URL"
ASK_CLIENT_ID = "Client ID"
ASK_SECRET = "Secret (not shown)"
PECULIAR_SECRET = "A generated secret is 64 characters 0-9 a-f; yours {peculiarity}."
USE_SECRET = "Use it as it is?"
CODE_NAMES_URL = "The pairing code names the server {url}; that one is used."

CHECKING = "Checking {url} ..."
SERVER_FOUND = "A sync server answers: {name}"
SERVER_FOUND_NAMELESS = "A sync server answers."
FETCHING = "Fetching and unsealing the data at {url} ..."
MATCH = "The credentials fit: the server has {tasks}."

CONFIGURED = "This computer is already set up for sync, in {path}:"
CONFIGURED_ELSE = "Taskwarrior here already syncs in another way, set in {path}:"
CONFIGURED_HALF = "This computer has incomplete sync settings, in {path}:"
REPLACE = "Replace these settings?"
REPLACING = "A backup of the taskrc is made first."
MEND = "Correct them, and go on using these settings?"
RENAMING = "The server is set by the old name sync.server.origin; Taskwarrior asks for sync.server.url instead."
MENDED = "The settings are corrected. `tcsync doctor` checks them."
KEPT = "Kept as it is. `tcsync doctor` checks it."
KEPT_UNVERIFIED = "Kept as it is. It has not synced yet: `tcsync doctor` finishes the setup."
SAME = "The same settings are already there; nothing was changed."

MERGING = (
    "This computer already has {local}. Both sides are merged property by property: the later change wins.\n"
    "Afterwards every computer has all tasks of both. `task undo` cannot undo a merge, which therefore keeps a copy of "
    "this computer's data as it is now."
)
MERGE = "Merge the tasks of this computer with those on the server?"
BEGIN_AGAIN = (
    "This computer has synced with another history before. It can begin a new one with all its {local}; computers with "
    "the other history do not see it until they are set up with the new pairing code, too.\n"
    "A copy of this computer's data as it is now is kept."
)
BEGIN_AGAIN_QUESTION = "Begin a new history with them?"
KEPT_ASIDE = "This computer's data as it was before is in {path}."
CAUGHT_UP = (
    "This computer had not seen the last changes of its old history; it has them now, and the new one continues it."
)

RECURRENCE = "Should this computer make the repetitions of recurring tasks? Only one of your computers should."
RECURRENCE_HERE = (
    "This computer makes the repetitions of your recurring tasks, and should be the only one: further computers leave "
    "them to it."
)
RECURRENCE_ELSEWHERE = (
    "The repetitions of recurring tasks are left to your other computer (recurrence=off), because two would make each "
    "one twice. `task config recurrence on` changes it."
)

WRITTEN = "Taskwarrior is configured in {path}."
CREATED = "Taskwarrior is configured in {path}, which is new."
BACKUP = "The file as it was before is in {path}."
SYNCING = "Running the first `task sync` ..."
SYNCED = "Sent {sent} to the server; {received} came from it."
READ_BACK = "Read back and verified: the server and this computer both have {tasks}."

FAILURE_HEADING = "What now?"
RETRY = "Try again"
AGAIN = {"first": "Choose another server", "second": "Enter the credentials again"}
SAVE = "Save the settings as unverified; `tcsync doctor` finishes later"
QUIT = "Stop and change nothing"
NOT_SAVED = "The settings cannot be saved as unverified: they are known not to work."
UNVERIFIED = "Saved as unverified. `tcsync doctor` checks everything and finishes the setup."

DRY_RUN = "Dry run: nothing was changed. It would"
WOULD_CREATE = "- create {path}, readable by you only"
WOULD_SET = "- set {name} to {value} in {path}"
WOULD_REMOVE = "- remove {name} from {path}"
WOULD_JOIN = "- merge {tasks} of this computer with those on the server, and keep a copy of its data as it is"
WOULD_SYNC = "- run `task sync`, and read the server's data back"

CREDENTIALS_HEADING = "Your credentials, for every computer of yours:"
PAIRING_CODE = "Pairing code:"
NOT_SHOWN = "The secret and the pairing code are not shown, because there is no terminal: `tcsync pair` shows the code."
ON_THE_OTHER = (
    "On the other computer: run `tcsync setup`, answer yes to “existing credentials”, and paste the pairing code.\n"
    "`tcsync pair` shows it again, and with --qr as a QR code."
)
KEEP_SAFE = (
    "The pairing code or the secret gives access to all your tasks.\n"
    "Nobody can recover a lost secret, not even the server's operator.\n"
    "Keep the pairing code in a safe place, such as a password manager.\n"
    "`task undo` only undoes what has not been synced yet."
)
SECOND_DONE = "This computer is in sync. Now run `task sync` on your other computers."
BY_ITSELF = "`tcsync auto on` lets a computer sync by itself."
AUTO_STAYS = "The agent that syncs this computer stays on; `tcsync auto off` ends it."
AUTO_LATER = (
    "This computer does not sync by itself yet, because nothing was synced so far: `tcsync doctor` finishes the setup, "
    "and `tcsync auto on` starts the agent then."
)
AUTO = "Should this computer sync by itself from now on, without `task sync`?"
QR_HEADING = "The pairing code as a QR code:"
KEYRING = "A copy of the credentials is in the keyring."

ROTATING = "Change the client ID and the secret? Your other computers then need the new pairing code."
MOVING = "Move to {url}? Your other computers then need the new pairing code."
SYNCING_LAST = "Syncing a last time with the old settings ..."
GO_ON_WITHOUT_OLD = "Go on without the old server?"
WITHOUT_OLD_SERVER = (
    "The old server does not answer, so what other computers have sent there since this one's last sync is missing; "
    "they bring it along when they are set up again."
)
ROTATED = "The new history is complete: a new computer receives {tasks}."
OTHERS_AFTER_ROTATION = (
    "On each other computer: run `tcsync setup --replace`, answer yes to “existing credentials”, and paste the pairing "
    "code. Until then it syncs with the old history. No change is lost.\n"
    "`tcsync pair` shows the code again, and with --qr as a QR code."
)
