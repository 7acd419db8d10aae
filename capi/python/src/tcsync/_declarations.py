"""Generated from tcsync.h by generate_declarations.py: do not edit.

A result of type `const char *` is declared as an address (c_void_p).
"""

from __future__ import annotations

from ctypes import (
    CDLL,
    CFUNCTYPE,
    POINTER,
    Structure,
    c_char,
    c_char_p,
    c_int,
    c_int32,
    c_int64,
    c_size_t,
    c_void_p,
)

TCSYNC_VERSION_MAJOR = 0
TCSYNC_VERSION_MINOR = 1
TCSYNC_VERSION_PATCH = 0
TCSYNC_OK = 0
TCSYNC_INVALID_ARGUMENT = 1
TCSYNC_OUT_OF_MEMORY = 2
TCSYNC_INTERNAL = 3
TCSYNC_SYSTEM = 4
TCSYNC_IN_USE = 5
TCSYNC_UNAVAILABLE = 6
TCSYNC_WRONG_FORMAT = 7
TCSYNC_DATA_LOSS = 8
TCSYNC_UNSUPPORTED = 9
TCSYNC_UNSEAL_FAILED = 10
TCSYNC_REMOTE_FAILED = 11
TCSYNC_CANCELLED = 12
TCSYNC_SYNC_FAILED = 13
TCSYNC_NULL_ARGUMENT = 257
TCSYNC_UNKNOWN_OPTION = 513
TCSYNC_INVALID_OPTION_VALUE = 769
TCSYNC_INVALID_UUID = 1025
TCSYNC_INVALID_ADDRESS = 1281
TCSYNC_FORKED = 1537
TCSYNC_INVALID_OPERATION = 1793
TCSYNC_RESPONSE_INCOMPLETE = 262
TCSYNC_REPLICA_MISSING = 263
TCSYNC_UNSEAL_TRUNCATED = 266
TCSYNC_UNSEAL_UNKNOWN_FORMAT = 522
TCSYNC_UNSEAL_WRONG_KEY = 778
TCSYNC_UNSEAL_NOT_AUTHENTIC = 1034
TCSYNC_REMOTE_NAME_NOT_RESOLVED = 267
TCSYNC_REMOTE_CONNECTION_REFUSED = 523
TCSYNC_REMOTE_NETWORK_FAILED = 779
TCSYNC_REMOTE_TIMED_OUT = 1035
TCSYNC_REMOTE_PROXY_FAILED = 1291
TCSYNC_REMOTE_CERTIFICATE_EXPIRED = 1547
TCSYNC_REMOTE_CERTIFICATE_UNTRUSTED = 1803
TCSYNC_REMOTE_CERTIFICATE_WRONG_HOST = 2059
TCSYNC_REMOTE_NOT_TLS = 2315
TCSYNC_REMOTE_TLS_FAILED = 2571
TCSYNC_REMOTE_NOT_ALLOWED = 2827
TCSYNC_REMOTE_TOO_LARGE = 3083
TCSYNC_REMOTE_RATE_LIMITED = 3339
TCSYNC_REMOTE_REJECTED = 3595
TCSYNC_REMOTE_SERVER_UNAVAILABLE = 3851
TCSYNC_REMOTE_SERVER_FULL = 4107
TCSYNC_REMOTE_SERVER_FAILED = 4363
TCSYNC_REMOTE_REDIRECTED = 4619
TCSYNC_REMOTE_BROKEN_ANSWER = 4875
TCSYNC_REMOTE_ANSWER_TOO_LARGE = 5131
TCSYNC_SYNC_INVALID_VERSION = 269
TCSYNC_SYNC_INVALID_SNAPSHOT = 525
TCSYNC_SYNC_HISTORY_GONE = 781
TCSYNC_SYNC_DIVERGED = 1037
TCSYNC_HOST_CODE_MAX = -1
TCSYNC_LOG_DEBUG = 0
TCSYNC_LOG_INFO = 1
TCSYNC_LOG_WARNING = 2
TCSYNC_LOG_ERROR = 3
TCSYNC_EVENT_NONE = 0
TCSYNC_EVENT_RESPONSE = 1
TCSYNC_EVENT_PIECE = 2
TCSYNC_EVENT_READY = 3
TCSYNC_EVENT_LOG = 4
TCSYNC_EVENT_LOG_DROPPED = 5
TCSYNC_EVENT_WAKE = 6
TCSYNC_PROBE_HISTORY = 1
TCSYNC_PROBE_EMPTY_HISTORY = 2
TCSYNC_PROBE_NOT_ALLOWED = 3
TCSYNC_PROBE_SYNC_SERVER = 4
TCSYNC_PROBE_NOT_SYNC_SERVER = 5
TCSYNC_OUTCOME_FOUND = 1
TCSYNC_OUTCOME_UP_TO_DATE = 2
TCSYNC_OUTCOME_GONE = 3
TCSYNC_OUTCOME_ADDED = 4
TCSYNC_OUTCOME_CONFLICT = 5
TCSYNC_OUTCOME_NO_SNAPSHOT = 6
TCSYNC_OUTCOME_NO_WAITS = 7
TCSYNC_SNAPSHOT_URGENCY_NONE = 0
TCSYNC_SNAPSHOT_URGENCY_LOW = 1
TCSYNC_SNAPSHOT_URGENCY_HIGH = 2
TCSYNC_OPERATION_UNDO_POINT = 1
TCSYNC_OPERATION_CREATE = 2
TCSYNC_OPERATION_UPDATE = 3
TCSYNC_OPERATION_DELETE = 4
TCSYNC_OPERATIONS_PENDING = 1
TCSYNC_OPERATIONS_UNDOABLE = 2
TCSYNC_OPERATIONS_OF_TASK = 3

CODE_NAMES = {
    0: "TCSYNC_OK",
    1: "TCSYNC_INVALID_ARGUMENT",
    2: "TCSYNC_OUT_OF_MEMORY",
    3: "TCSYNC_INTERNAL",
    4: "TCSYNC_SYSTEM",
    5: "TCSYNC_IN_USE",
    6: "TCSYNC_UNAVAILABLE",
    7: "TCSYNC_WRONG_FORMAT",
    8: "TCSYNC_DATA_LOSS",
    9: "TCSYNC_UNSUPPORTED",
    10: "TCSYNC_UNSEAL_FAILED",
    11: "TCSYNC_REMOTE_FAILED",
    12: "TCSYNC_CANCELLED",
    13: "TCSYNC_SYNC_FAILED",
    257: "TCSYNC_NULL_ARGUMENT",
    513: "TCSYNC_UNKNOWN_OPTION",
    769: "TCSYNC_INVALID_OPTION_VALUE",
    1025: "TCSYNC_INVALID_UUID",
    1281: "TCSYNC_INVALID_ADDRESS",
    1537: "TCSYNC_FORKED",
    1793: "TCSYNC_INVALID_OPERATION",
    262: "TCSYNC_RESPONSE_INCOMPLETE",
    263: "TCSYNC_REPLICA_MISSING",
    266: "TCSYNC_UNSEAL_TRUNCATED",
    522: "TCSYNC_UNSEAL_UNKNOWN_FORMAT",
    778: "TCSYNC_UNSEAL_WRONG_KEY",
    1034: "TCSYNC_UNSEAL_NOT_AUTHENTIC",
    267: "TCSYNC_REMOTE_NAME_NOT_RESOLVED",
    523: "TCSYNC_REMOTE_CONNECTION_REFUSED",
    779: "TCSYNC_REMOTE_NETWORK_FAILED",
    1035: "TCSYNC_REMOTE_TIMED_OUT",
    1291: "TCSYNC_REMOTE_PROXY_FAILED",
    1547: "TCSYNC_REMOTE_CERTIFICATE_EXPIRED",
    1803: "TCSYNC_REMOTE_CERTIFICATE_UNTRUSTED",
    2059: "TCSYNC_REMOTE_CERTIFICATE_WRONG_HOST",
    2315: "TCSYNC_REMOTE_NOT_TLS",
    2571: "TCSYNC_REMOTE_TLS_FAILED",
    2827: "TCSYNC_REMOTE_NOT_ALLOWED",
    3083: "TCSYNC_REMOTE_TOO_LARGE",
    3339: "TCSYNC_REMOTE_RATE_LIMITED",
    3595: "TCSYNC_REMOTE_REJECTED",
    3851: "TCSYNC_REMOTE_SERVER_UNAVAILABLE",
    4107: "TCSYNC_REMOTE_SERVER_FULL",
    4363: "TCSYNC_REMOTE_SERVER_FAILED",
    4619: "TCSYNC_REMOTE_REDIRECTED",
    4875: "TCSYNC_REMOTE_BROKEN_ANSWER",
    5131: "TCSYNC_REMOTE_ANSWER_TOO_LARGE",
    269: "TCSYNC_SYNC_INVALID_VERSION",
    525: "TCSYNC_SYNC_INVALID_SNAPSHOT",
    781: "TCSYNC_SYNC_HISTORY_GONE",
    1037: "TCSYNC_SYNC_DIVERGED",
}

class tcsync_error(Structure):
    """Opaque."""

class tcsync_bytes(Structure):
    """Opaque."""

class tcsync_uuid(Structure):
    """As in the header."""

    _fields_ = (
        ("text", c_char * 37),
    )

class tcsync_header(Structure):
    """As in the header."""

    _fields_ = (
        ("name", c_char_p),
        ("name_size", c_size_t),
        ("value", c_char_p),
        ("value_size", c_size_t),
    )

class tcsync_config(Structure):
    """Opaque."""

class tcsync_option(Structure):
    """As in the header."""

    _fields_ = (
        ("struct_size", c_size_t),
        ("name", c_char_p),
        ("type", c_char_p),
        ("default_text", c_char_p),
        ("choices", c_char_p),
        ("environment", c_char_p),
        ("help", c_char_p),
        ("minimum", c_int64),
        ("maximum", c_int64),
        ("short_flag", c_char),
    )

class tcsync_log_record(Structure):
    """Opaque."""

tcsync_log_function = CFUNCTYPE(None, c_void_p, POINTER(tcsync_log_record))

class tcsync_engine(Structure):
    """Opaque."""

class tcsync_request(Structure):
    """As in the header."""

    _fields_ = (
        ("struct_size", c_size_t),
        ("method", c_char_p),
        ("method_size", c_size_t),
        ("target", c_char_p),
        ("target_size", c_size_t),
        ("headers", POINTER(tcsync_header)),
        ("header_count", c_size_t),
        ("body", c_char_p),
        ("body_size", c_size_t),
        ("peer_address", c_char_p),
        ("peer_address_size", c_size_t),
    )

class tcsync_response(Structure):
    """Opaque."""

tcsync_response_function = CFUNCTYPE(None, c_void_p, POINTER(tcsync_response))

class tcsync_queue(Structure):
    """Opaque."""

class tcsync_event(Structure):
    """As in the header."""

    _fields_ = (
        ("struct_size", c_size_t),
        ("kind", c_int32),
        ("code", c_int32),
        ("user_data", c_void_p),
        ("dropped", c_int64),
        ("response", POINTER(tcsync_response)),
        ("bytes", POINTER(tcsync_bytes)),
        ("record", POINTER(tcsync_log_record)),
    )

class tcsync_pending(Structure):
    """Opaque."""

class tcsync_listener(Structure):
    """Opaque."""

class tcsync_key(Structure):
    """Opaque."""

class tcsync_remote(Structure):
    """Opaque."""

class tcsync_remote_options(Structure):
    """As in the header."""

    _fields_ = (
        ("struct_size", c_size_t),
        ("ca_file", c_char_p),
        ("proxy", c_char_p),
        ("connect_timeout_ms", c_int64),
        ("timeout_ms", c_int64),
        ("response_bytes_max", c_int64),
    )

class tcsync_probe(Structure):
    """As in the header."""

    _fields_ = (
        ("struct_size", c_size_t),
        ("kind", c_int32),
        ("http_status", c_int32),
        ("uses_tls", c_int32),
        ("has_snapshot", c_int32),
        ("has_versions", c_int32),
        ("reserved", c_int32),
        ("server_time", c_int64),
        ("certificate_expires", c_int64),
        ("server_name", c_char * 128),
    )

class tcsync_replica(Structure):
    """Opaque."""

class tcsync_replica_options(Structure):
    """As in the header."""

    _fields_ = (
        ("struct_size", c_size_t),
        ("must_exist", c_int32),
        ("busy_timeout_ms", c_int64),
        ("copy", c_int32),
    )

class tcsync_operation(Structure):
    """As in the header."""

    _fields_ = (
        ("struct_size", c_size_t),
        ("kind", c_int32),
        ("task_id", tcsync_uuid),
        ("nanoseconds", c_int32),
        ("seconds", c_int64),
        ("property", c_char_p),
        ("property_size", c_size_t),
        ("value", c_char_p),
        ("value_size", c_size_t),
        ("old_value", c_char_p),
        ("old_value_size", c_size_t),
        ("old_property_count", c_size_t),
    )

class tcsync_tasks(Structure):
    """Opaque."""

class tcsync_task(Structure):
    """As in the header."""

    _fields_ = (
        ("struct_size", c_size_t),
        ("working_set_number", c_int64),
        ("property_count", c_size_t),
        ("task_id", tcsync_uuid),
    )

class tcsync_property(Structure):
    """As in the header."""

    _fields_ = (
        ("name", c_char_p),
        ("name_size", c_size_t),
        ("value", c_char_p),
        ("value_size", c_size_t),
    )

class tcsync_operations(Structure):
    """Opaque."""

class tcsync_replica_state(Structure):
    """As in the header."""

    _fields_ = (
        ("struct_size", c_size_t),
        ("tasks", c_int64),
        ("pending_operations", c_int64),
        ("pending_undo_points", c_int64),
        ("base_version_id", tcsync_uuid),
    )

class tcsync_sync_progress(Structure):
    """As in the header."""

    _fields_ = (
        ("struct_size", c_size_t),
        ("received_versions", c_int64),
        ("received_operations", c_int64),
        ("sent_versions", c_int64),
        ("sent_operations", c_int64),
        ("operations_to_send", c_int64),
    )

tcsync_progress_function = CFUNCTYPE(c_int32, c_void_p, POINTER(tcsync_sync_progress))

class tcsync_sync_options(Structure):
    """As in the header."""

    _fields_ = (
        ("struct_size", c_size_t),
        ("avoid_snapshots", c_int32),
        ("progress", tcsync_progress_function),
        ("user_data", c_void_p),
        ("receive_only", c_int32),
        ("last_version_id", c_char_p),
        ("versions_first", c_int32),
    )

class tcsync_sync_report(Structure):
    """As in the header."""

    _fields_ = (
        ("struct_size", c_size_t),
        ("received_versions", c_int64),
        ("received_operations", c_int64),
        ("sent_versions", c_int64),
        ("sent_operations", c_int64),
        ("has_applied_snapshot", c_int32),
        ("has_sent_snapshot", c_int32),
        ("version_id", tcsync_uuid),
    )

class tcsync_join_options(Structure):
    """As in the header."""

    _fields_ = (
        ("struct_size", c_size_t),
        ("drop_synced_operations", c_int32),
        ("copy_directory", c_char_p),
    )

class tcsync_join_report(Structure):
    """As in the header."""

    _fields_ = (
        ("struct_size", c_size_t),
        ("received_tasks", c_int64),
        ("added_tasks", c_int64),
        ("changed_tasks", c_int64),
        ("overruled_tasks", c_int64),
        ("removed_tasks", c_int64),
        ("deleted_tasks", c_int64),
    )

def declare(library: CDLL) -> None:
    """Gives every function its types."""
    library.tcsync_code_name.argtypes = (c_int32,)
    library.tcsync_code_name.restype = c_void_p
    library.tcsync_error_code.argtypes = (POINTER(tcsync_error),)
    library.tcsync_error_code.restype = c_int32
    library.tcsync_error_message.argtypes = (POINTER(tcsync_error),)
    library.tcsync_error_message.restype = c_void_p
    library.tcsync_error_free.argtypes = (POINTER(tcsync_error),)
    library.tcsync_error_free.restype = None
    library.tcsync_version.argtypes = ()
    library.tcsync_version.restype = c_void_p
    library.tcsync_version_number.argtypes = ()
    library.tcsync_version_number.restype = c_int32
    library.tcsync_has.argtypes = (c_char_p,)
    library.tcsync_has.restype = c_int
    library.tcsync_bytes_data.argtypes = (POINTER(tcsync_bytes),)
    library.tcsync_bytes_data.restype = c_void_p
    library.tcsync_bytes_size.argtypes = (POINTER(tcsync_bytes),)
    library.tcsync_bytes_size.restype = c_size_t
    library.tcsync_bytes_free.argtypes = (POINTER(tcsync_bytes),)
    library.tcsync_bytes_free.restype = None
    library.tcsync_uuid_random.argtypes = (POINTER(tcsync_uuid), POINTER(POINTER(tcsync_error)),)
    library.tcsync_uuid_random.restype = c_int32
    library.tcsync_option_count.argtypes = ()
    library.tcsync_option_count.restype = c_size_t
    library.tcsync_option_info.argtypes = (c_size_t, POINTER(tcsync_option), POINTER(POINTER(tcsync_error)),)
    library.tcsync_option_info.restype = c_int32
    library.tcsync_config_new.argtypes = (POINTER(POINTER(tcsync_config)), POINTER(POINTER(tcsync_error)),)
    library.tcsync_config_new.restype = c_int32
    library.tcsync_config_set.argtypes = (POINTER(tcsync_config), c_char_p, c_char_p, POINTER(POINTER(tcsync_error)),)
    library.tcsync_config_set.restype = c_int32
    library.tcsync_config_get.argtypes = (POINTER(tcsync_config), c_char_p, POINTER(POINTER(tcsync_bytes)), POINTER(POINTER(tcsync_error)),)
    library.tcsync_config_get.restype = c_int32
    library.tcsync_config_set_from_environment.argtypes = (POINTER(tcsync_config), POINTER(POINTER(tcsync_error)),)
    library.tcsync_config_set_from_environment.restype = c_int32
    library.tcsync_log_record_level.argtypes = (POINTER(tcsync_log_record),)
    library.tcsync_log_record_level.restype = c_int
    library.tcsync_log_record_text.argtypes = (POINTER(tcsync_log_record),)
    library.tcsync_log_record_text.restype = c_void_p
    library.tcsync_log_record_message.argtypes = (POINTER(tcsync_log_record),)
    library.tcsync_log_record_message.restype = c_void_p
    library.tcsync_log_record_field_count.argtypes = (POINTER(tcsync_log_record),)
    library.tcsync_log_record_field_count.restype = c_size_t
    library.tcsync_log_record_field.argtypes = (POINTER(tcsync_log_record), c_size_t, POINTER(tcsync_header), POINTER(POINTER(tcsync_error)),)
    library.tcsync_log_record_field.restype = c_int32
    library.tcsync_log_record_field_value.argtypes = (POINTER(tcsync_log_record), c_char_p,)
    library.tcsync_log_record_field_value.restype = c_void_p
    library.tcsync_config_set_log.argtypes = (POINTER(tcsync_config), tcsync_log_function, c_void_p, POINTER(POINTER(tcsync_error)),)
    library.tcsync_config_set_log.restype = c_int32
    library.tcsync_config_free.argtypes = (POINTER(tcsync_config),)
    library.tcsync_config_free.restype = None
    library.tcsync_engine_open.argtypes = (POINTER(tcsync_config), POINTER(POINTER(tcsync_engine)), POINTER(POINTER(tcsync_error)),)
    library.tcsync_engine_open.restype = c_int32
    library.tcsync_engine_option.argtypes = (POINTER(tcsync_engine), c_char_p, POINTER(POINTER(tcsync_bytes)), POINTER(POINTER(tcsync_error)),)
    library.tcsync_engine_option.restype = c_int32
    library.tcsync_engine_free.argtypes = (POINTER(tcsync_engine),)
    library.tcsync_engine_free.restype = None
    library.tcsync_engine_handle.argtypes = (POINTER(tcsync_engine), POINTER(tcsync_request), POINTER(POINTER(tcsync_response)), POINTER(POINTER(tcsync_error)),)
    library.tcsync_engine_handle.restype = c_int32
    library.tcsync_engine_handle_async.argtypes = (POINTER(tcsync_engine), POINTER(tcsync_request), tcsync_response_function, c_void_p, POINTER(POINTER(tcsync_error)),)
    library.tcsync_engine_handle_async.restype = c_int32
    library.tcsync_administer.argtypes = (POINTER(tcsync_config), POINTER(tcsync_engine), POINTER(tcsync_request), POINTER(POINTER(tcsync_response)), POINTER(POINTER(tcsync_error)),)
    library.tcsync_administer.restype = c_int32
    library.tcsync_monitor.argtypes = (POINTER(tcsync_engine), POINTER(tcsync_request), POINTER(POINTER(tcsync_response)), POINTER(POINTER(tcsync_error)),)
    library.tcsync_monitor.restype = c_int32
    library.tcsync_response_status.argtypes = (POINTER(tcsync_response),)
    library.tcsync_response_status.restype = c_int
    library.tcsync_response_header_count.argtypes = (POINTER(tcsync_response),)
    library.tcsync_response_header_count.restype = c_size_t
    library.tcsync_response_header.argtypes = (POINTER(tcsync_response), c_size_t, POINTER(tcsync_header), POINTER(POINTER(tcsync_error)),)
    library.tcsync_response_header.restype = c_int32
    library.tcsync_response_header_value.argtypes = (POINTER(tcsync_response), c_char_p,)
    library.tcsync_response_header_value.restype = c_void_p
    library.tcsync_response_body.argtypes = (POINTER(tcsync_response), POINTER(c_size_t),)
    library.tcsync_response_body.restype = c_void_p
    library.tcsync_response_free.argtypes = (POINTER(tcsync_response),)
    library.tcsync_response_free.restype = None
    library.tcsync_queue_new.argtypes = (POINTER(POINTER(tcsync_queue)), POINTER(POINTER(tcsync_error)),)
    library.tcsync_queue_new.restype = c_int32
    library.tcsync_queue_descriptor.argtypes = (POINTER(tcsync_queue),)
    library.tcsync_queue_descriptor.restype = c_int
    library.tcsync_queue_next.argtypes = (POINTER(tcsync_queue), c_int64, POINTER(tcsync_event), POINTER(POINTER(tcsync_error)),)
    library.tcsync_queue_next.restype = c_int32
    library.tcsync_queue_wake.argtypes = (POINTER(tcsync_queue),)
    library.tcsync_queue_wake.restype = None
    library.tcsync_queue_free.argtypes = (POINTER(tcsync_queue),)
    library.tcsync_queue_free.restype = None
    library.tcsync_config_set_log_queue.argtypes = (POINTER(tcsync_config), POINTER(tcsync_queue), POINTER(POINTER(tcsync_error)),)
    library.tcsync_config_set_log_queue.restype = c_int32
    library.tcsync_log_record_free.argtypes = (POINTER(tcsync_log_record),)
    library.tcsync_log_record_free.restype = None
    library.tcsync_engine_handle_queued.argtypes = (POINTER(tcsync_engine), POINTER(tcsync_request), POINTER(tcsync_queue), c_void_p, POINTER(POINTER(tcsync_error)),)
    library.tcsync_engine_handle_queued.restype = c_int32
    library.tcsync_engine_begin.argtypes = (POINTER(tcsync_engine), POINTER(tcsync_request), POINTER(POINTER(tcsync_pending)), POINTER(POINTER(tcsync_response)), POINTER(POINTER(tcsync_error)),)
    library.tcsync_engine_begin.restype = c_int32
    library.tcsync_pending_append.argtypes = (POINTER(tcsync_pending), c_char_p, c_size_t, POINTER(POINTER(tcsync_response)), POINTER(POINTER(tcsync_error)),)
    library.tcsync_pending_append.restype = c_int32
    library.tcsync_pending_append_queued.argtypes = (POINTER(tcsync_pending), c_char_p, c_size_t, POINTER(tcsync_queue), c_void_p, POINTER(POINTER(tcsync_error)),)
    library.tcsync_pending_append_queued.restype = c_int32
    library.tcsync_pending_finish.argtypes = (POINTER(tcsync_pending), POINTER(POINTER(tcsync_response)), POINTER(POINTER(tcsync_error)),)
    library.tcsync_pending_finish.restype = c_int32
    library.tcsync_pending_finish_queued.argtypes = (POINTER(tcsync_pending), POINTER(tcsync_queue), c_void_p, POINTER(POINTER(tcsync_error)),)
    library.tcsync_pending_finish_queued.restype = c_int32
    library.tcsync_pending_free.argtypes = (POINTER(tcsync_pending),)
    library.tcsync_pending_free.restype = None
    library.tcsync_response_body_size.argtypes = (POINTER(tcsync_response),)
    library.tcsync_response_body_size.restype = c_int64
    library.tcsync_response_read.argtypes = (POINTER(tcsync_response), POINTER(POINTER(tcsync_bytes)), POINTER(POINTER(tcsync_error)),)
    library.tcsync_response_read.restype = c_int32
    library.tcsync_response_read_queued.argtypes = (POINTER(tcsync_response), POINTER(tcsync_queue), c_void_p, POINTER(POINTER(tcsync_error)),)
    library.tcsync_response_read_queued.restype = c_int32
    library.tcsync_listener_bind.argtypes = (POINTER(tcsync_config), POINTER(POINTER(tcsync_listener)), POINTER(POINTER(tcsync_error)),)
    library.tcsync_listener_bind.restype = c_int32
    library.tcsync_listener_address_count.argtypes = (POINTER(tcsync_listener),)
    library.tcsync_listener_address_count.restype = c_size_t
    library.tcsync_listener_address.argtypes = (POINTER(tcsync_listener), c_size_t,)
    library.tcsync_listener_address.restype = c_void_p
    library.tcsync_listener_serve.argtypes = (POINTER(tcsync_listener), POINTER(tcsync_engine), POINTER(POINTER(tcsync_error)),)
    library.tcsync_listener_serve.restype = c_int32
    library.tcsync_listener_stop.argtypes = (POINTER(tcsync_listener),)
    library.tcsync_listener_stop.restype = None
    library.tcsync_listener_free.argtypes = (POINTER(tcsync_listener),)
    library.tcsync_listener_free.restype = None
    library.tcsync_credentials_generate.argtypes = (POINTER(POINTER(tcsync_bytes)), POINTER(POINTER(tcsync_bytes)), POINTER(POINTER(tcsync_error)),)
    library.tcsync_credentials_generate.restype = c_int32
    library.tcsync_key_derive.argtypes = (c_char_p, c_char_p, c_size_t, POINTER(POINTER(tcsync_key)), POINTER(POINTER(tcsync_error)),)
    library.tcsync_key_derive.restype = c_int32
    library.tcsync_key_free.argtypes = (POINTER(tcsync_key),)
    library.tcsync_key_free.restype = None
    library.tcsync_seal.argtypes = (POINTER(tcsync_key), c_char_p, c_char_p, c_size_t, POINTER(POINTER(tcsync_bytes)), POINTER(POINTER(tcsync_error)),)
    library.tcsync_seal.restype = c_int32
    library.tcsync_unseal.argtypes = (POINTER(tcsync_key), c_char_p, c_char_p, c_size_t, POINTER(POINTER(tcsync_bytes)), POINTER(POINTER(tcsync_error)),)
    library.tcsync_unseal.restype = c_int32
    library.tcsync_remote_open.argtypes = (c_char_p, c_char_p, POINTER(tcsync_key), POINTER(tcsync_remote_options), POINTER(POINTER(tcsync_remote)), POINTER(POINTER(tcsync_error)),)
    library.tcsync_remote_open.restype = c_int32
    library.tcsync_remote_cancel.argtypes = (POINTER(tcsync_remote),)
    library.tcsync_remote_cancel.restype = None
    library.tcsync_remote_resume.argtypes = (POINTER(tcsync_remote),)
    library.tcsync_remote_resume.restype = None
    library.tcsync_remote_free.argtypes = (POINTER(tcsync_remote),)
    library.tcsync_remote_free.restype = None
    library.tcsync_remote_probe.argtypes = (POINTER(tcsync_remote), POINTER(tcsync_probe), POINTER(POINTER(tcsync_error)),)
    library.tcsync_remote_probe.restype = c_int32
    library.tcsync_remote_get_child_version.argtypes = (POINTER(tcsync_remote), c_char_p, POINTER(c_int32), POINTER(tcsync_uuid), POINTER(POINTER(tcsync_bytes)), POINTER(POINTER(tcsync_error)),)
    library.tcsync_remote_get_child_version.restype = c_int32
    library.tcsync_remote_await_version.argtypes = (POINTER(tcsync_remote), c_char_p, c_int64, POINTER(c_int32), POINTER(tcsync_uuid), POINTER(POINTER(tcsync_error)),)
    library.tcsync_remote_await_version.restype = c_int32
    library.tcsync_remote_add_version.argtypes = (POINTER(tcsync_remote), c_char_p, c_char_p, c_size_t, POINTER(c_int32), POINTER(tcsync_uuid), POINTER(c_int32), POINTER(POINTER(tcsync_error)),)
    library.tcsync_remote_add_version.restype = c_int32
    library.tcsync_remote_get_snapshot.argtypes = (POINTER(tcsync_remote), POINTER(c_int32), POINTER(tcsync_uuid), POINTER(POINTER(tcsync_bytes)), POINTER(POINTER(tcsync_error)),)
    library.tcsync_remote_get_snapshot.restype = c_int32
    library.tcsync_remote_add_snapshot.argtypes = (POINTER(tcsync_remote), c_char_p, c_char_p, c_size_t, POINTER(POINTER(tcsync_error)),)
    library.tcsync_remote_add_snapshot.restype = c_int32
    library.tcsync_replica_open.argtypes = (c_char_p, POINTER(tcsync_replica_options), POINTER(POINTER(tcsync_replica)), POINTER(POINTER(tcsync_error)),)
    library.tcsync_replica_open.restype = c_int32
    library.tcsync_replica_free.argtypes = (POINTER(tcsync_replica),)
    library.tcsync_replica_free.restype = None
    library.tcsync_replica_commit.argtypes = (POINTER(tcsync_replica), POINTER(tcsync_operation), c_size_t, POINTER(POINTER(tcsync_error)),)
    library.tcsync_replica_commit.restype = c_int32
    library.tcsync_replica_tasks.argtypes = (POINTER(tcsync_replica), c_char_p, POINTER(POINTER(tcsync_tasks)), POINTER(POINTER(tcsync_error)),)
    library.tcsync_replica_tasks.restype = c_int32
    library.tcsync_tasks_count.argtypes = (POINTER(tcsync_tasks),)
    library.tcsync_tasks_count.restype = c_size_t
    library.tcsync_tasks_get.argtypes = (POINTER(tcsync_tasks), c_size_t, POINTER(tcsync_task), POINTER(POINTER(tcsync_error)),)
    library.tcsync_tasks_get.restype = c_int32
    library.tcsync_tasks_property.argtypes = (POINTER(tcsync_tasks), c_size_t, c_size_t, POINTER(tcsync_property), POINTER(POINTER(tcsync_error)),)
    library.tcsync_tasks_property.restype = c_int32
    library.tcsync_tasks_free.argtypes = (POINTER(tcsync_tasks),)
    library.tcsync_tasks_free.restype = None
    library.tcsync_replica_operations.argtypes = (POINTER(tcsync_replica), c_int32, c_char_p, POINTER(POINTER(tcsync_operations)), POINTER(POINTER(tcsync_error)),)
    library.tcsync_replica_operations.restype = c_int32
    library.tcsync_operations_count.argtypes = (POINTER(tcsync_operations),)
    library.tcsync_operations_count.restype = c_size_t
    library.tcsync_operations_get.argtypes = (POINTER(tcsync_operations), c_size_t, POINTER(tcsync_operation), POINTER(POINTER(tcsync_error)),)
    library.tcsync_operations_get.restype = c_int32
    library.tcsync_operations_old_property.argtypes = (POINTER(tcsync_operations), c_size_t, c_size_t, POINTER(tcsync_property), POINTER(POINTER(tcsync_error)),)
    library.tcsync_operations_old_property.restype = c_int32
    library.tcsync_operations_free.argtypes = (POINTER(tcsync_operations),)
    library.tcsync_operations_free.restype = None
    library.tcsync_replica_undo.argtypes = (POINTER(tcsync_replica), POINTER(tcsync_operations), POINTER(c_int32), POINTER(POINTER(tcsync_error)),)
    library.tcsync_replica_undo.restype = c_int32
    library.tcsync_replica_rebuild_working_set.argtypes = (POINTER(tcsync_replica), c_int32, POINTER(POINTER(tcsync_error)),)
    library.tcsync_replica_rebuild_working_set.restype = c_int32
    library.tcsync_replica_get_state.argtypes = (POINTER(tcsync_replica), POINTER(tcsync_replica_state), POINTER(POINTER(tcsync_error)),)
    library.tcsync_replica_get_state.restype = c_int32
    library.tcsync_replica_sync.argtypes = (POINTER(tcsync_replica), POINTER(tcsync_remote), POINTER(tcsync_sync_options), POINTER(tcsync_sync_report), POINTER(POINTER(tcsync_error)),)
    library.tcsync_replica_sync.restype = c_int32
    library.tcsync_replica_join.argtypes = (POINTER(tcsync_replica), POINTER(tcsync_replica), POINTER(tcsync_join_options), POINTER(tcsync_join_report), POINTER(POINTER(tcsync_operations)), POINTER(POINTER(tcsync_error)),)
    library.tcsync_replica_join.restype = c_int32
