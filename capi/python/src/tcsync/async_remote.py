"""A sync server elsewhere for programs with asyncio: RemoteServer's calls as coroutines that can be cancelled.

Each remote has one thread, from its opening to its closing, which makes the calls; the loop is never blocked. asyncio
handles the signals, so the loop's thread may take locks, each of them for a moment.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar
from uuid import UUID

from . import _declarations as c
from . import _remote_calls, remote
from ._turns import Call
from .errors import TcsyncError
from .remote import (
    Conflict,
    Gone,
    NewVersion,
    NoWaits,
    Probe,
    RemoteServer,
    Snapshot,
    UpToDate,
    Version,
    VersionAdded,
)

if TYPE_CHECKING:
    from ._remote_calls import RemotePointer

R = TypeVar("R")
P = ParamSpec("P")


def _takes_arguments_of(
    example: Callable[P, object],
) -> Callable[[Callable[..., R]], Callable[Concatenate[Any, P], R]]:
    """For a method: the arguments of `example`, in the eyes of type checkers, editors and help()."""

    def decorate(method: Callable[..., R]) -> Callable[Concatenate[Any, P], R]:
        first, *_ = inspect.signature(method).parameters.values()
        wanted = inspect.signature(example)
        signature = wanted.replace(
            parameters=[first, *wanted.parameters.values()],
            return_annotation=inspect.signature(method).return_annotation,
        )
        vars(method)["__signature__"] = signature
        return method

    return decorate


class AsyncRemoteServer:
    """One client's view of a sync server, for asyncio. An asynchronous context manager. Made by `open`.

    Calls on one object are made one after the other. When the task that awaits a call is cancelled, the call is
    cancelled as well, and its end, which comes at once, is awaited before the CancelledError is raised: so a timeout of
    asyncio leaves nothing behind. A cancelled `add_version` may have added its version. A call whose loop is closed
    before its end is ended by `close`, in any loop, or by its own timeout.

    A forked process may use its parent's object, in a loop of its own.
    """

    def __init__(self, server: RemoteServer, worker: _Worker) -> None:
        """Use `open`."""
        self._server = server
        self._worker = worker

    @classmethod
    @_takes_arguments_of(RemoteServer)
    async def open(cls, *arguments: Any, **options: Any) -> AsyncRemoteServer:
        """Makes a RemoteServer, which has the options, without blocking the loop while the key is derived."""
        worker = _Worker()
        job = _Job(lambda _call: RemoteServer(*arguments, **options), lambda _call: None)
        try:
            return cls(await worker.result(job), worker)
        except BaseException:
            worker.stop(job.close_result)
            raise

    async def probe(self) -> Probe:
        """As RemoteServer.probe."""
        return await self._made(remote.probe)

    async def get_child_version(self, parent_version_id: UUID) -> Version | UpToDate | Gone:
        """As RemoteServer.get_child_version."""
        return await self._made(lambda pointer: remote.get_child_version(pointer, parent_version_id))

    async def await_version(self, parent_version_id: UUID, wait_s: int) -> NewVersion | UpToDate | Gone | NoWaits:
        """As VersionWatch.await_version."""
        return await self._made(lambda pointer: remote.await_version(pointer, parent_version_id, wait_s))

    async def add_version(self, parent_version_id: UUID, plaintext: bytes) -> VersionAdded | Conflict:
        """As RemoteServer.add_version."""
        return await self._made(lambda pointer: remote.add_version(pointer, parent_version_id, plaintext))

    async def get_snapshot(self) -> Snapshot | None:
        """As RemoteServer.get_snapshot."""
        return await self._made(remote.get_snapshot)

    async def add_snapshot(self, version_id: UUID, plaintext: bytes) -> None:
        """As RemoteServer.add_snapshot."""
        return await self._made(lambda pointer: _remote_calls.add_snapshot(pointer, version_id, plaintext))

    async def close(self) -> None:
        """Cancels current and waiting calls, which raise CallCancelledError, waits for their ends, closes the
        connection, and wipes the key unless it is the caller's. A second call waits for the same."""
        self._worker.stop(self._server.close)
        await self._worker.end()

    async def __aenter__(self) -> AsyncRemoteServer:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __del__(self) -> None:
        # The thread would wait for calls for ever.
        worker = getattr(self, "_worker", None)
        if worker:
            worker.stop(self._server.close)

    async def _made(self, function: Callable[[RemotePointer], R]) -> R:
        handle = self._server.handle
        return await self._worker.result(_Job(lambda call: handle.make(call, function), handle.cancel))


class _Job(Generic[R]):
    """Work for the thread, and its result. `work` gets the call that `cancel` may have to end."""

    def __init__(self, work: Callable[[Call], R], cancel: Callable[[Call], None]) -> None:
        self._work = work
        self._cancel = cancel
        self._call = Call()
        self._loop = asyncio.get_running_loop()
        #: Never has an exception, because asyncio reports an exception that is never retrieved.
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self._results: list[R] = []
        self._failure: BaseException | None = None

    def do(self) -> None:
        try:
            self._results.append(self._work(self._call))
        except BaseException as failure:
            self._failure = failure
        self.end()

    def cancel(self) -> None:
        self._cancel(self._call)

    def end(self) -> None:
        _tell(self._loop, self.ended)

    def result(self) -> R:
        failure, self._failure = self._failure, None
        if failure:
            raise failure
        return self._results[0]

    def close_result(self) -> None:
        for result in self._results:
            if isinstance(result, RemoteServer):
                result.close()


class _Worker:
    """The thread of a remote, and its jobs."""

    def __init__(self) -> None:
        self._renew()
        self._at_end: Callable[[], None] | None = None

    def _renew(self) -> None:
        self._process = os.getpid()
        # Reentrant, because collection may stop a worker on any thread, even on its own one. Not a Condition: a stop on
        # the worker's own thread just before its wait would wake nothing, and an interrupt could cut its code in two.
        self._lock = threading.RLock()
        #: At least one for each job and each stop. Its `put` may come at any moment as well.
        self._wakes: SimpleQueue[None] = SimpleQueue()
        self._jobs: deque[_Job[Any]] = deque()
        self._running: _Job[Any] | None = None
        self._has_thread = False
        self._is_stopped = False
        self._is_over = False
        self._waiting_for_end: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []

    async def result(self, job: _Job[R]) -> R:
        """Has the job done, and returns or raises its result."""
        if self._process != os.getpid():
            self._renew()
        self._submit(job)
        try:
            await asyncio.shield(job.ended)
        except asyncio.CancelledError:
            self._cancel(job)
            while not job.ended.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.shield(job.ended)
            raise
        except BaseException:
            # The loop was closed, and this coroutine with it.
            self._cancel(job)
            raise
        return job.result()

    def stop(self, at_end: Callable[[], None]) -> None:
        """Takes no further job, ends the present ones, and then runs `at_end` where the jobs run."""
        if self._process != os.getpid():
            self._renew()
        with self._lock:
            if not self._is_stopped:
                self._at_end = at_end
                self._is_stopped = True
            # Repeated for a second call, because the first one may have been interrupted.
            for job in (*self._jobs, *([self._running] if self._running else [])):
                job.cancel()
            self._wakes.put(None)
            if self._has_thread:
                return
        self._finish()

    async def end(self) -> None:
        """Waits until the worker has stopped."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()
        with self._lock:
            if self._is_over:
                return
            self._waiting_for_end.append((loop, ended))
        await ended

    def _submit(self, job: _Job[Any]) -> None:
        with self._lock:
            if self._is_stopped:
                raise TcsyncError("this object was closed; make a new one")
            if not self._has_thread:
                try:
                    threading.Thread(target=self._do_jobs, name="tcsync-remote", daemon=True).start()
                except RuntimeError as reason:
                    raise TcsyncError(f"no thread can be started: {reason}", code=c.TCSYNC_SYSTEM) from None
                self._has_thread = True
            self._wakes.put(None)
            self._jobs.append(job)

    def _cancel(self, job: _Job[Any]) -> None:
        if self._process != os.getpid():
            return  # Collection of a coroutine in a forked process: the job, the lock and the loop are its parent's.
        with self._lock:
            is_waiting = job in self._jobs
            if is_waiting:
                self._jobs.remove(job)
            else:
                job.cancel()
        if is_waiting:
            job.end()

    def _do_jobs(self) -> None:
        while True:
            self._wakes.get()
            with self._lock:
                if self._jobs:
                    self._running = job = self._jobs.popleft()
                elif self._is_stopped:
                    break
                else:
                    continue  # The job was cancelled before its turn.
            job.do()
            del job  # It contains the plaintext.
            with self._lock:
                self._running = None
        self._wakes.put(None)  # For another thread, whose start was interrupted and is unknown.
        self._finish()

    def _finish(self) -> None:
        with self._lock:
            at_end, self._at_end = self._at_end, None
        try:
            if at_end:
                at_end()
        finally:
            with self._lock:
                self._is_over = True
                waiting, self._waiting_for_end = self._waiting_for_end, []
            for loop, ended in waiting:
                _tell(loop, ended)


def _tell(loop: asyncio.AbstractEventLoop, future: asyncio.Future[None]) -> None:
    """Sets the future's result: on any thread, and also if the loop has been closed."""

    def tell() -> None:
        if not future.done():
            future.set_result(None)

    with suppress(RuntimeError):
        loop.call_soon_threadsafe(tell)
