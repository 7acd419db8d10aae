"""The problems after which a setup may save its settings as unverified."""

from __future__ import annotations

from ..findings import Problem

#: They say that the server or the way to it does not work now. With all others it is known that the settings are wrong,
#: or that the data cannot be synced with them.
SAVEABLE = frozenset(
    {
        Problem.REMOTE_NAME_NOT_RESOLVED,
        Problem.REMOTE_CONNECTION_REFUSED,
        Problem.REMOTE_NETWORK_FAILED,
        Problem.REMOTE_FAILED,
        Problem.REMOTE_TIMED_OUT,
        Problem.REMOTE_PROXY_FAILED,
        Problem.REMOTE_CERTIFICATE_EXPIRED,
        Problem.REMOTE_CERTIFICATE_UNTRUSTED,
        Problem.REMOTE_TLS_FAILED,
        Problem.REMOTE_RATE_LIMITED,
        Problem.REMOTE_SERVER_UNAVAILABLE,
        Problem.REMOTE_SERVER_FULL,
        Problem.REMOTE_SERVER_FAILED,
        Problem.REMOTE_TOO_LARGE,
        Problem.TASK_HANGS,
        Problem.TASK_FAILS,
        Problem.SYNC_RATE_LIMITED,
        Problem.SYNC_TOO_LARGE,
        Problem.SYNC_SERVER_FULL,
        Problem.SYNC_SERVER_FAILED,
        Problem.SYNC_UNREACHABLE,
        Problem.SYNC_UNTRUSTED,
        Problem.SYNC_FAILED,
    }
)
