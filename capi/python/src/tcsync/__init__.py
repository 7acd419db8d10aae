"""tcsync: the Python binding of the tcsync library. `tcsync.wizard` on top of it sets up Taskwarrior's sync.

docs/python.md is the manual of the binding. Names that are missing here, or begin with an underscore, may change.
"""

from typing import TYPE_CHECKING, Any

from . import task_model
from ._declarations import TCSYNC_VERSION_MAJOR, TCSYNC_VERSION_MINOR, TCSYNC_VERSION_PATCH
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
    HistoryError,
    LibraryError,
    PairingCodeError,
    PairingCodeFault,
    RemoteError,
    RemoteFault,
    ReplicaError,
    ReplicaFault,
    SecretError,
    SyncError,
    SyncFault,
    TaskModelError,
    TaskrcChangedError,
    TaskrcError,
    TaskrcIncludeError,
    TaskrcPublishedError,
    TaskrcReadOnlyError,
    TaskrcSyntaxError,
    TcsyncError,
    UnsealError,
    UnsealFault,
    UrlError,
)
from .operations import Create, Delete, Operation, UndoPoint, Update
from .pairing import decode_pairing_code, encode_pairing_code, pairing_code_qr
from .remote import (
    NIL_VERSION,
    Conflict,
    Gone,
    NewVersion,
    NoWaits,
    Probe,
    ProbeKind,
    RemoteServer,
    Snapshot,
    SnapshotUrgency,
    UpToDate,
    Version,
    VersionAdded,
    VersionWatch,
    probe_server,
)
from .replica import JoinReport, ProgressFunction, Replica, ReplicaState, SyncProgress, SyncReport
from .sealing import SealingKey
from .secret import Secret
from .server_url import normalise_url
from .taskrc import SyncBackend, SyncSettings, Taskrc, TaskrcSetting, find_taskrc, read_taskrc
from .taskrc_edit import TaskrcEdit, edit_taskrc, undo_edit

if TYPE_CHECKING:
    from .async_remote import AsyncRemoteServer

__version__ = f"{TCSYNC_VERSION_MAJOR}.{TCSYNC_VERSION_MINOR}.{TCSYNC_VERSION_PATCH}"

__all__ = [
    "NIL_VERSION",
    "AsyncRemoteServer",
    "CallCancelledError",
    "ClientIdError",
    "Conflict",
    "Create",
    "Credentials",
    "Delete",
    "Engine",
    "EngineError",
    "EngineFault",
    "Gone",
    "HistoryError",
    "JoinReport",
    "LibraryError",
    "Listener",
    "LogFunction",
    "LogLevel",
    "LogRecord",
    "NewVersion",
    "NoWaits",
    "Operation",
    "OptionValue",
    "Options",
    "PairingCodeError",
    "PairingCodeFault",
    "PendingRequest",
    "Probe",
    "ProbeKind",
    "ProgressFunction",
    "RemoteError",
    "RemoteFault",
    "RemoteServer",
    "Replica",
    "ReplicaError",
    "ReplicaFault",
    "ReplicaState",
    "Response",
    "ResponseStream",
    "SealingKey",
    "Secret",
    "SecretError",
    "Snapshot",
    "SnapshotUrgency",
    "SyncBackend",
    "SyncError",
    "SyncFault",
    "SyncProgress",
    "SyncReport",
    "SyncSettings",
    "TaskModelError",
    "Taskrc",
    "TaskrcChangedError",
    "TaskrcEdit",
    "TaskrcError",
    "TaskrcIncludeError",
    "TaskrcPublishedError",
    "TaskrcReadOnlyError",
    "TaskrcSetting",
    "TaskrcSyntaxError",
    "TcsyncError",
    "UndoPoint",
    "UnsealError",
    "UnsealFault",
    "UpToDate",
    "Update",
    "UrlError",
    "Version",
    "VersionAdded",
    "VersionWatch",
    "__version__",
    "decode_pairing_code",
    "edit_taskrc",
    "encode_pairing_code",
    "find_taskrc",
    "normalise_url",
    "pairing_code_qr",
    "parse_client_id",
    "parse_secret",
    "probe_server",
    "read_taskrc",
    "task_model",
    "undo_edit",
]


def __getattr__(name: str) -> Any:
    """Loads asyncio for those who use it: it takes as much memory as all of the rest."""
    if name != "AsyncRemoteServer":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .async_remote import AsyncRemoteServer

    return AsyncRemoteServer
