"""tcsync: the Python binding of the tcsync library. `tcsync.wizard` on top of it sets up Taskwarrior's sync.

docs/python.md is the manual of the binding. Names that are missing here, or begin with an underscore, may change.
"""

from ._declarations import TCSYNC_VERSION_MAJOR, TCSYNC_VERSION_MINOR, TCSYNC_VERSION_PATCH
from .async_remote import AsyncRemoteServer
from .credentials import Credentials, parse_client_id, parse_secret
from .engine import (
    Engine,
    Listener,
    LogFunction,
    LogLevel,
    LogRecord,
    Options,
    OptionValue,
    PendingRequest,
    Response,
    ResponseStream,
)
from .errors import (
    CallCancelledError,
    ClientIdError,
    EngineError,
    EngineFault,
    HistoryDeadlineError,
    HistoryError,
    LibraryError,
    PairingCodeError,
    PairingCodeFault,
    RemoteError,
    RemoteFault,
    SecretError,
    TaskrcChangedError,
    TaskrcError,
    TaskrcIncludeError,
    TaskrcSyntaxError,
    TcsyncError,
    UnsealError,
    UnsealFault,
    UrlError,
)
from .history import History, TaskCounts, fetch_history
from .pairing import decode_pairing_code, encode_pairing_code, pairing_code_qr
from .remote import (
    NIL_VERSION,
    Conflict,
    Gone,
    Probe,
    ProbeKind,
    RemoteServer,
    Snapshot,
    SnapshotUrgency,
    UpToDate,
    Version,
    VersionAdded,
    probe_server,
)
from .sealing import SealingKey
from .secret import Secret
from .server_url import normalise_url
from .taskrc import SyncBackend, SyncSettings, Taskrc, TaskrcSetting, find_taskrc, read_taskrc
from .taskrc_edit import TaskrcEdit, edit_taskrc, undo_edit

__version__ = f"{TCSYNC_VERSION_MAJOR}.{TCSYNC_VERSION_MINOR}.{TCSYNC_VERSION_PATCH}"

__all__ = [
    "NIL_VERSION",
    "AsyncRemoteServer",
    "CallCancelledError",
    "ClientIdError",
    "Conflict",
    "Credentials",
    "Engine",
    "EngineError",
    "EngineFault",
    "Gone",
    "History",
    "HistoryDeadlineError",
    "HistoryError",
    "LibraryError",
    "Listener",
    "LogFunction",
    "LogLevel",
    "LogRecord",
    "OptionValue",
    "Options",
    "PairingCodeError",
    "PairingCodeFault",
    "PendingRequest",
    "Probe",
    "ProbeKind",
    "RemoteError",
    "RemoteFault",
    "RemoteServer",
    "Response",
    "ResponseStream",
    "SealingKey",
    "Secret",
    "SecretError",
    "Snapshot",
    "SnapshotUrgency",
    "SyncBackend",
    "SyncSettings",
    "TaskCounts",
    "Taskrc",
    "TaskrcChangedError",
    "TaskrcEdit",
    "TaskrcError",
    "TaskrcIncludeError",
    "TaskrcSetting",
    "TaskrcSyntaxError",
    "TcsyncError",
    "UnsealError",
    "UnsealFault",
    "UpToDate",
    "UrlError",
    "Version",
    "VersionAdded",
    "__version__",
    "decode_pairing_code",
    "edit_taskrc",
    "encode_pairing_code",
    "fetch_history",
    "find_taskrc",
    "normalise_url",
    "pairing_code_qr",
    "parse_client_id",
    "parse_secret",
    "probe_server",
    "read_taskrc",
    "undo_edit",
]
