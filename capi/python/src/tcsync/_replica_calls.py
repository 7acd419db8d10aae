"""The C library's calls on a replica, one after the other.

Ownership: lists of tasks and operations from the library are copied and freed before a function returns. The one
exception is within an undo, which passes them back.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from ctypes import byref
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, NoReturn, TypeVar
from uuid import UUID

from . import _declarations as c
from ._apart import apart
from ._library import check, library, text
from ._remote_calls import RemoteHandle, milliseconds
from ._turns import Call, TurnHandle
from .errors import ReplicaError
from .operations import Create, Delete, Operation, UndoPoint, Update

if TYPE_CHECKING:
    from ctypes import _Pointer

    ReplicaPointer = _Pointer[c.tcsync_replica]

R = TypeVar("R")

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_NANOSECONDS_MAX = 999


class ReplicaHandle(TurnHandle[c.tcsync_replica]):
    """A replica. In a forked process, the library refuses every call."""

    def call(self, function: Callable[[ReplicaPointer], R]) -> R:
        """Makes a call. On the main thread, an interrupt ends the wait: the call is left undone if it has not begun."""
        return _interruptible(lambda call: self.make(call, function))

    def call_with(self, other: ReplicaHandle, function: Callable[[ReplicaPointer, ReplicaPointer], R]) -> R:
        """The same, on two replicas. They take turns in one order, or two threads would wait for each other."""
        if id(self) < id(other):
            return _interruptible(
                lambda call: self.make(call, lambda own: other.make(call, lambda theirs: function(own, theirs)))
            )
        return _interruptible(
            lambda call: other.make(call, lambda theirs: self.make(call, lambda own: function(own, theirs)))
        )

    def sync(
        self,
        remote: RemoteHandle,
        options: c.tcsync_sync_options,
        progress: Callable[[c.tcsync_sync_progress], None] | None,
    ) -> tuple[c.tcsync_sync_report, BaseException | None]:
        """The effects of a sync, and its failure. On the main thread, an interrupt cancels the sync."""
        call = Call()

        def cancel() -> None:
            remote.cancel(call)
            self.cancel(call)

        def work() -> tuple[c.tcsync_sync_report, BaseException | None]:
            return self.make(
                call,
                lambda replica: remote.make(call, lambda server: _sync(replica, server, options, progress)),
            )

        return apart(work, cancel=cancel)


def _interruptible(work: Callable[[Call], R]) -> R:
    call = Call()
    try:
        return apart(lambda: work(call))
    except Exception:
        raise
    except BaseException:
        call.is_cancelled = True
        raise


def open_replica(
    directory: str | os.PathLike[str] | None, create: bool, busy_timeout_s: float, *, copy: bool = False
) -> ReplicaHandle:
    """Opens a replica; in memory without a directory."""
    encoded = None if directory is None else _path(directory, "directory")
    options = c.tcsync_replica_options(
        struct_size=ctypes.sizeof(c.tcsync_replica_options),
        must_exist=not create,
        busy_timeout_ms=milliseconds(busy_timeout_s, "busy_timeout_s"),
        copy=copy,
    )

    def work() -> ReplicaHandle:
        lib = library()
        replica = ctypes.POINTER(c.tcsync_replica)()
        error = ctypes.POINTER(c.tcsync_error)()
        check(lib.tcsync_replica_open(encoded, byref(options), byref(replica), byref(error)), error, ReplicaError)
        return ReplicaHandle(replica, lib.tcsync_replica_free)

    return apart(work, undo=ReplicaHandle.close)


def commit(replica: ReplicaPointer, operations: Sequence[Operation]) -> None:
    array = (c.tcsync_operation * len(operations))()
    for index, operation in enumerate(operations):
        _encode(array[index], operation, index)
    error = ctypes.POINTER(c.tcsync_error)()
    check(library().tcsync_replica_commit(replica, array, len(operations), byref(error)), error, ReplicaError)


def read_tasks(replica: ReplicaPointer, task_id: UUID | None) -> dict[UUID, dict[str, str]]:
    """One task, if it exists, or all."""
    lib = library()
    read = c.tcsync_property()
    name, value = _Text(read, "name"), _Text(read, "value")
    found: dict[UUID, dict[str, str]] = {}
    with _tasks(replica, task_id) as tasks:
        for index, task in _each_task(tasks):
            properties = found[_uuid(task.task_id)] = {}
            for number in range(task.property_count):
                lib.tcsync_tasks_property(tasks, index, number, byref(read), None)
                properties[name.read()] = value.read()
    return found


def read_working_set(replica: ReplicaPointer) -> dict[int, UUID]:
    with _tasks(replica, None) as tasks:
        numbers = {task.working_set_number: _uuid(task.task_id) for _, task in _each_task(tasks)}
    numbers.pop(0, None)
    return dict(sorted(numbers.items()))


def read_operations(replica: ReplicaPointer, which: int, task_id: UUID | None = None) -> list[Operation]:
    with _operations(replica, which, task_id) as operations:
        return _decode(operations)


def undo(replica: ReplicaPointer, expected: Sequence[Operation] | None) -> bool:
    """Undoes, unless the undoable operations are not the expected ones."""
    with _operations(replica, c.TCSYNC_OPERATIONS_UNDOABLE, None) as operations:
        if not library().tcsync_operations_count(operations):
            return False
        if expected is not None and _decode(operations) != list(expected):
            return False
        was_undone = ctypes.c_int32()
        error = ctypes.POINTER(c.tcsync_error)()
        code = library().tcsync_replica_undo(replica, operations, byref(was_undone), byref(error))
        check(code, error, ReplicaError)
        return bool(was_undone)


def rebuild_working_set(replica: ReplicaPointer, renumber: bool) -> None:
    error = ctypes.POINTER(c.tcsync_error)()
    check(library().tcsync_replica_rebuild_working_set(replica, renumber, byref(error)), error, ReplicaError)


def state(replica: ReplicaPointer) -> tuple[UUID, c.tcsync_replica_state]:
    """The base version, and the numbers."""
    found = c.tcsync_replica_state(struct_size=ctypes.sizeof(c.tcsync_replica_state))
    error = ctypes.POINTER(c.tcsync_error)()
    check(library().tcsync_replica_get_state(replica, byref(found), byref(error)), error, ReplicaError)
    return _uuid(found.base_version_id), found


def join(
    replica: ReplicaPointer, history: ReplicaPointer, options: c.tcsync_join_options
) -> tuple[c.tcsync_join_report, list[Operation]]:
    """Joins a history; the report, and the doubtful decisions."""
    report = c.tcsync_join_report(struct_size=ctypes.sizeof(c.tcsync_join_report))
    doubtful = ctypes.POINTER(c.tcsync_operations)()
    error = ctypes.POINTER(c.tcsync_error)()
    code = library().tcsync_replica_join(replica, history, byref(options), byref(report), byref(doubtful), byref(error))
    check(code, error, ReplicaError)
    try:
        return report, _decode(doubtful)
    finally:
        library().tcsync_operations_free(doubtful)


def sync_options(
    avoid_snapshots: bool, receive_only: bool, versions_first: bool, last_version_id: UUID | None
) -> c.tcsync_sync_options:
    return c.tcsync_sync_options(
        struct_size=ctypes.sizeof(c.tcsync_sync_options),
        avoid_snapshots=avoid_snapshots,
        receive_only=receive_only,
        versions_first=versions_first,
        last_version_id=None if last_version_id is None else text(last_version_id),
    )


def join_options(drop_synced_operations: bool, copy_directory: str | os.PathLike[str] | None) -> c.tcsync_join_options:
    return c.tcsync_join_options(
        struct_size=ctypes.sizeof(c.tcsync_join_options),
        drop_synced_operations=drop_synced_operations,
        copy_directory=None if copy_directory is None else _path(copy_directory, "copy_directory"),
    )


def _path(path: str | os.PathLike[str], name: str) -> bytes:
    encoded = os.fsencode(path)
    if b"\0" in encoded:
        _refuse(f"{name} has a zero byte in it; remove it")  # The library would read it up to there.
    return encoded


def _sync(
    replica: ReplicaPointer,
    remote: _Pointer[c.tcsync_remote],
    options: c.tcsync_sync_options,
    progress: Callable[[c.tcsync_sync_progress], None] | None,
) -> tuple[c.tcsync_sync_report, BaseException | None]:
    raised: list[BaseException] = []

    def receive(_user_data: int | None, counted: _Pointer[c.tcsync_sync_progress]) -> int:
        try:
            if progress and not raised:
                progress(counted.contents)
        except BaseException as failure:
            raised.append(failure)
        return len(raised)

    options.progress = c.tcsync_progress_function(receive) if progress else c.tcsync_progress_function()
    report = c.tcsync_sync_report(struct_size=ctypes.sizeof(c.tcsync_sync_report))
    error = ctypes.POINTER(c.tcsync_error)()
    code = library().tcsync_replica_sync(replica, remote, byref(options), byref(report), byref(error))
    try:
        check(code, error, ReplicaError)
    except BaseException as failure:
        raised.append(failure)  # After an exception of the progress function, which is its cause.
    # Nothing here refers to it any more: its traceback refers to this.
    return report, (raised.pop(0) if raised else None)


@contextmanager
def _tasks(replica: ReplicaPointer, task_id: UUID | None) -> Iterator[_Pointer[c.tcsync_tasks]]:
    lib = library()
    tasks = ctypes.POINTER(c.tcsync_tasks)()
    error = ctypes.POINTER(c.tcsync_error)()
    wanted = None if task_id is None else text(task_id)
    check(lib.tcsync_replica_tasks(replica, wanted, byref(tasks), byref(error)), error, ReplicaError)
    try:
        yield tasks
    finally:
        lib.tcsync_tasks_free(tasks)


def _each_task(tasks: _Pointer[c.tcsync_tasks]) -> Iterator[tuple[int, c.tcsync_task]]:
    lib = library()
    task = c.tcsync_task(struct_size=ctypes.sizeof(c.tcsync_task))
    for index in range(lib.tcsync_tasks_count(tasks)):
        lib.tcsync_tasks_get(tasks, index, byref(task), None)
        yield index, task


@contextmanager
def _operations(replica: ReplicaPointer, which: int, task_id: UUID | None) -> Iterator[_Pointer[c.tcsync_operations]]:
    lib = library()
    operations = ctypes.POINTER(c.tcsync_operations)()
    error = ctypes.POINTER(c.tcsync_error)()
    wanted = None if task_id is None else text(task_id)
    check(lib.tcsync_replica_operations(replica, which, wanted, byref(operations), byref(error)), error, ReplicaError)
    try:
        yield operations
    finally:
        lib.tcsync_operations_free(operations)


def _encode(into: c.tcsync_operation, operation: Operation, index: int) -> None:
    """Fills the caller's struct, which keeps the bytes that it points to."""
    into.struct_size = ctypes.sizeof(c.tcsync_operation)
    if isinstance(operation, UndoPoint):
        into.kind = c.TCSYNC_OPERATION_UNDO_POINT
        return
    if not isinstance(operation, (Create, Update, Delete)):
        _refuse(
            f"operation {index} cannot be of the type {type(operation).__name__}; give UndoPoint, Create, Update or "
            "Delete"
        )
    if not isinstance(operation.task_id, UUID):
        _refuse(
            f"the task ID of operation {index} cannot be of the type {type(operation.task_id).__name__}; give a UUID"
        )
    into.task_id.text = text(operation.task_id)
    if isinstance(operation, Create):
        into.kind = c.TCSYNC_OPERATION_CREATE
    elif isinstance(operation, Delete):
        into.kind = c.TCSYNC_OPERATION_DELETE
    else:
        into.kind = c.TCSYNC_OPERATION_UPDATE
        into.property = name = _utf8(operation.property, f"the property of operation {index}")
        into.property_size = len(name)
        if operation.value is not None:
            into.value = value = _utf8(operation.value, f"the value of operation {index}")
            into.value_size = len(value)
        if operation.timestamp is not None:
            into.seconds, into.nanoseconds = _instant(operation.timestamp, operation.nanosecond, index)


def _utf8(value: str, what: str) -> bytes:
    if not isinstance(value, str):
        _refuse(f"{what} cannot be of the type {type(value).__name__}; give a text")
    try:
        return value.encode("utf-8")
    except UnicodeEncodeError:
        _refuse(f"{what} has an invalid character in it, a lone surrogate")


def _instant(timestamp: datetime, nanosecond: int, index: int) -> tuple[int, int]:
    """Seconds since 1970, and nanoseconds."""
    if not isinstance(timestamp, datetime) or timestamp.utcoffset() is None:
        _refuse(f"the timestamp of operation {index} lacks a time zone; give datetime.now(timezone.utc), for example")
    if not isinstance(nanosecond, int) or not 0 <= nanosecond <= _NANOSECONDS_MAX:
        _refuse(f"the nanosecond of operation {index} is {nanosecond!r}; it must be from 0 to {_NANOSECONDS_MAX}")
    seconds, rest = divmod(timestamp - _EPOCH, timedelta(seconds=1))
    return seconds, rest.microseconds * 1000 + nanosecond


def _decode(operations: _Pointer[c.tcsync_operations]) -> list[Operation]:
    lib = library()
    read = c.tcsync_operation(struct_size=ctypes.sizeof(c.tcsync_operation))
    name, value, old_value = (_Text(read, field) for field in ("property", "value", "old_value"))
    old_property = c.tcsync_property()
    old_name, old_text = _Text(old_property, "name"), _Text(old_property, "value")
    decoded: list[Operation] = []
    for index in range(lib.tcsync_operations_count(operations)):
        lib.tcsync_operations_get(operations, index, byref(read), None)
        if read.kind == c.TCSYNC_OPERATION_UNDO_POINT:
            decoded.append(UndoPoint())
        elif read.kind == c.TCSYNC_OPERATION_CREATE:
            decoded.append(Create(_uuid(read.task_id)))
        elif read.kind == c.TCSYNC_OPERATION_UPDATE:
            decoded.append(
                Update(
                    _uuid(read.task_id),
                    name.read(),
                    value.read_or_none(),
                    _EPOCH + timedelta(seconds=read.seconds, microseconds=read.nanoseconds // 1000),
                    old_value.read_or_none(),
                    read.nanoseconds % 1000,
                )
            )
        else:
            old_properties = {}
            for number in range(read.old_property_count):
                lib.tcsync_operations_old_property(operations, index, number, byref(old_property), None)
                old_properties[old_name.read()] = old_text.read()
            decoded.append(Delete(_uuid(read.task_id), old_properties))
    return decoded


class _Text:
    """The fields `name` and `name`_size of a struct, for each text that the library puts there."""

    def __init__(self, structure: c.tcsync_operation | c.tcsync_property, name: str) -> None:
        # Read as an address: a C string would be read up to a zero byte.
        self._address = ctypes.c_void_p.from_buffer(structure, getattr(type(structure), name).offset)
        self._size = ctypes.c_size_t.from_buffer(structure, getattr(type(structure), f"{name}_size").offset)

    def read(self) -> str:
        return self.read_or_none() or ""

    def read_or_none(self) -> str | None:
        """None for NULL."""
        address = self._address.value
        return None if address is None else ctypes.string_at(address, self._size.value).decode("utf-8")


def _uuid(identifier: c.tcsync_uuid) -> UUID:
    return UUID(identifier.text.decode("ascii"))


def _refuse(message: str) -> NoReturn:
    raise ReplicaError(message, code=c.TCSYNC_INVALID_ARGUMENT)
