"""A server in the program itself: the engine and the listener of the library, by the binding."""

import gc
import json
import os
import signal
import subprocess
import sys
import threading
from uuid import uuid4

import pytest

from tcsync import (
    NIL_VERSION,
    Conflict,
    Credentials,
    Engine,
    EngineError,
    EngineFault,
    Listener,
    LogLevel,
    RemoteServer,
    TcsyncError,
    VersionAdded,
)

pytestmark = pytest.mark.usefixtures("full_library")

SEGMENT = b"sealed\0bytes"
SEGMENT_TYPE = "application/vnd.taskchampion.history-segment"


@pytest.fixture
def options(tmp_path):
    return {"data-dir": tmp_path / "data", "listen": ["127.0.0.1:0"], "memory-budget": 32 * 1024 * 1024}


@pytest.fixture
def engine(options):
    with Engine.open(options) as opened:
        yield opened


def add_version(engine, client_id, parent=NIL_VERSION, **more):
    headers = [("X-Client-Id", str(client_id)), ("Content-Type", SEGMENT_TYPE)]
    return engine.handle("POST", f"/v1/client/add-version/{parent}", headers, SEGMENT, **more)


def fault_of(call, *arguments):
    with pytest.raises(EngineError) as raised:
        call(*arguments)
    assert raised.value.name == f"TCSYNC_{raised.value.fault.name}"
    return raised.value.fault


class TestServing:
    def test_a_client_syncs_with_it(self, options):
        """If this fails, a Python program cannot serve replicas, or what it took is gone after a restart."""
        with Listener.bind(options) as listener, Engine.open(options) as engine:
            listener.serve(engine)
            credentials = Credentials.generate(listener.addresses[0])
            with RemoteServer(credentials, proxy="") as remote:
                added = remote.add_version(NIL_VERSION, SEGMENT)
                assert isinstance(added, VersionAdded)
        with Engine.open(options) as engine, Listener.bind(options) as listener:
            listener.serve(engine)
            with RemoteServer(
                Credentials(listener.addresses[0], credentials.client_id, credentials.secret), proxy=""
            ) as remote:
                assert remote.get_child_version(NIL_VERSION).plaintext == SEGMENT
                assert remote.add_version(NIL_VERSION, SEGMENT) == Conflict(added.version_id)

    def test_the_engine_stays_open_while_it_is_served(self, options):
        """If this fails, a listener that is closed after its engine answers from freed memory."""
        listener, engine = Listener.bind(options), Engine.open(options)
        listener.serve(engine)
        engine.close()
        assert fault_of(Engine.open, options) is EngineFault.IN_USE
        with RemoteServer(Credentials.generate(listener.addresses[0]), proxy="") as remote:
            assert isinstance(remote.add_version(NIL_VERSION, SEGMENT), VersionAdded)
        listener.stop()
        Engine.open(options).close()
        listener.close()

    def test_serving_twice_and_after_a_stop(self, options, engine):
        """If this fails, a mistake in a program leaves an engine that can never be closed."""
        with Listener.bind(options) as listener:
            listener.serve(engine)
            assert fault_of(listener.serve, engine) is EngineFault.INVALID_ARGUMENT
            listener.stop()
            listener.stop()
            assert fault_of(listener.serve, engine) is EngineFault.INVALID_ARGUMENT
        engine.close()
        Engine.open(options).close()

    def test_addresses_that_cannot_be_had(self, options):
        """If this fails, a program cannot tell a mistyped address from one that another program has."""
        assert fault_of(Listener.bind, {**options, "listen": "nonsense"}) is EngineFault.INVALID_ADDRESS
        with Listener.bind(options) as listener:
            taken = listener.addresses[0].removeprefix("http://")
            assert fault_of(Listener.bind, {**options, "listen": taken}) is EngineFault.IN_USE

    def test_every_address_is_told(self, options, tmp_path):
        """If this fails, a program does not know where it serves, or the socket of a closed listener is left."""
        socket = tmp_path / "s"
        addresses = ["127.0.0.1:0", f"unix:{socket}"]
        with Listener.bind({**options, "listen": addresses, "metrics-listen": "127.0.0.1:0"}) as listener:
            first, second, metrics = listener.addresses
            assert (second, first == metrics) == (f"unix:{socket}", False)
            assert socket.exists()
        assert not socket.exists()


class TestClosing:
    def test_twice(self, options):
        """If this fails, a mistake in a program frees memory twice."""
        engine, listener = Engine.open(options), Listener.bind(options)
        for closed in (engine, listener):
            closed.close()
            closed.close()
        listener.stop()

    def test_use_afterwards(self, options):
        """If this fails, a mistake in a program reads freed memory."""
        engine, listener = Engine.open(options), Listener.bind(options)
        engine.close()
        for call in (lambda: engine.handle("GET", "/"), lambda: engine.administer("GET", "/v1/admin/stats"),
                     lambda: listener.serve(engine)):  # fmt: skip
            with pytest.raises(TcsyncError, match="closed"):
                call()
        listener.close()
        with Engine.open(options) as another, pytest.raises(TcsyncError, match="closed"):
            listener.serve(another)
        Engine.open(options).close()

    def test_forgotten_ones(self, options):
        """If this fails, a data directory stays locked although nobody has its engine any more."""
        engine, listener = Engine.open(options), Listener.bind(options)
        listener.serve(engine)
        del engine, listener
        gc.collect()
        Engine.open(options).close()

    def test_while_calls_are_running(self, options):
        """If this fails, closing frees what another thread is using."""
        engine = Engine.open(options)
        answers = []

        def ask():
            try:
                while True:
                    answers.append(add_version(engine, uuid4()).status)
            except TcsyncError as error:
                answers.append(str(error))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        while len(answers) < 20:
            threads[0].join(0.01)
        engine.close()
        for thread in threads:
            thread.join(60)
        Engine.open(options).close()
        assert set(answers) == {200, "this object was closed; make a new one"}

    @pytest.mark.parametrize("how", ["end", "interrupt", "fork"])
    def test_the_end_of_the_program(self, options, full_library, how):
        """If this fails, a program that serves hangs at its end, or crashes there, or leaves its socket behind."""
        socket = options["data-dir"].with_name("s")
        program = (
            "import tcsync, threading\n"
            f"options = {{'data-dir': {str(options['data-dir'])!r}, 'listen': 'unix:{socket}', 'log-level': 'debug'}}\n"
            "engine = tcsync.Engine.open(options, log=lambda level, text: None)\n"
            "listener = tcsync.Listener.bind(options, log=lambda level, text: None)\n"
            "listener.serve(engine)\n"
            "print('serving', flush=True)\n"
        )
        if how == "interrupt":
            program += "try: threading.Event().wait()\nexcept KeyboardInterrupt: print('interrupted')\n"
        if how == "fork":
            program += (
                "import os\n"
                "child = os.fork()\n"
                "if not child:\n"
                "    listener.close(); engine.close()\n"
                "    os._exit(7)\n"
                "print(os.waitpid(child, 0)[1] >> 8, os.path.exists(listener.addresses[0].removeprefix('unix:')))\n"
            )
        environment = {**os.environ, "TCSYNC_LIBRARY": str(full_library)}
        with subprocess.Popen(
            [sys.executable, "-c", program], env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdout.readline() == "serving\n"
            if how == "interrupt":
                process.send_signal(signal.SIGINT)
            try:
                output, errors = process.communicate(timeout=60)
            finally:
                process.kill()
        assert (process.returncode, errors) == (0, "")
        assert output == {"end": "", "interrupt": "interrupted\n", "fork": "7 True\n"}[how]
        assert not socket.exists()
        Engine.open(options).close()


class TestFaults:
    def test_a_locked_data_directory(self, options, engine, python, full_library):
        """If this fails, two engines write into one directory, in this process or from another one."""
        assert fault_of(Engine.open, options) is EngineFault.IN_USE
        directory = str(options["data-dir"])
        done = python(
            "import tcsync\n"
            f"try: tcsync.Engine.open({{'data-dir': {directory!r}}})\n"
            "except tcsync.EngineError as error: print(error.fault.name, error)\n",
            TCSYNC_LIBRARY=str(full_library),
        )
        assert done.stdout.startswith("IN_USE ") and directory in done.stdout, done
        assert add_version(engine, uuid4()).status == 200

    def test_a_library_without_the_server(self, python):
        """If this fails, who has only the Python package does not learn what is missing, and how to have it."""
        done = python(
            "import tcsync\n"
            "for call in (tcsync.Engine.open, tcsync.Listener.bind):\n"
            "    try: call({'data-dir': '/nonexistent', 'listen': '127.0.0.1:0'})\n"
            "    except tcsync.EngineError as error: print(error.fault.name, error)\n",
            TCSYNC_LIBRARY=None,
        )
        first, second = done.stdout.splitlines()
        assert first == second and done.stderr == ""
        assert first.startswith("UNSUPPORTED ") and "TCSYNC_SERVER=ON" in first and "TCSYNC_LIBRARY" in first

    @pytest.mark.parametrize(
        ("wrong", "fault", "words"),
        [
            ({"no-such-option": "1"}, EngineFault.UNKNOWN_OPTION, "no-such-option"),
            ({"memory-budget": "much"}, EngineFault.INVALID_OPTION_VALUE, "much"),
            ({"memory-budget": -1}, EngineFault.INVALID_OPTION_VALUE, "-1"),
            ({"create-clients": "perhaps"}, EngineFault.INVALID_OPTION_VALUE, "perhaps"),
            ({"data-dir": "a\0b"}, EngineFault.INVALID_OPTION_VALUE, "zero byte"),
            ({"listen\0": "127.0.0.1:0"}, EngineFault.INVALID_OPTION_VALUE, "zero byte"),
        ],
    )
    def test_options_that_make_no_sense(self, options, wrong, fault, words):
        """If this fails, a mistyped option is ignored, or ends in a crash."""
        for call in (Engine.open, Listener.bind):
            with pytest.raises(EngineError, match=words) as raised:
                call({**options, **wrong})
            assert raised.value.fault is fault
        assert not options["data-dir"].exists()

    def test_a_directory_that_cannot_be_one(self, options):
        options["data-dir"].write_text("a file", encoding="utf-8")
        assert fault_of(Engine.open, options) in (EngineFault.SYSTEM, EngineFault.WRONG_FORMAT)
        assert options["data-dir"].read_text(encoding="utf-8") == "a file"


class TestRequests:
    def test_an_answer_is_whole(self, engine):
        """If this fails, a program with an HTTP server of its own gives replicas half of an answer."""
        client_id = uuid4()
        added = add_version(engine, client_id)
        assert added.status == 200
        version_id = dict(added.headers)["X-Version-Id"]
        got = engine.handle("GET", f"/v1/client/get-child-version/{NIL_VERSION}", [("x-client-id", str(client_id))])
        assert (got.status, got.body) == (200, SEGMENT)
        assert dict(got.headers)["X-Version-Id"] == version_id and dict(got.headers)["Content-Type"] == SEGMENT_TYPE
        assert "sealed" not in repr(got)

    def test_refusals_are_answers(self, engine):
        assert engine.handle("GET", "/v1/client/snapshot").status == 400
        assert engine.handle("BREW", "/nowhere", body=b"tea").status in (404, 405)
        with pytest.raises(EngineError, match="HTTP cannot carry"):
            engine.handle("GET", "/\N{SNOWMAN}")

    def test_options_and_addresses_are_used(self, options):
        """If this fails, truth values are not understood, or one stranger's limit is everybody's."""
        with Engine.open({**options, "create-clients": False}) as engine:
            assert add_version(engine, uuid4()).status == 404
        with Engine.open({**options, "new-clients-per-address-day": 1}) as engine:
            statuses = [
                add_version(engine, uuid4(), peer_address=address).status
                for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2")
            ]
            assert (statuses[0], statuses[2]) == (200, 200) and statuses[1] != 200

    def test_administration(self, engine):
        """If this fails, a program that embeds the server cannot look after its data."""
        add_version(engine, uuid4())
        answer = engine.administer("GET", "/v1/admin/stats")
        assert answer.status == 200 and json.loads(answer.body)["clients"] == 1
        assert engine.administer("GET", "/v1/admin/no-such-thing").status == 404


class TestLog:
    def test_messages(self, options):
        """If this fails, a program learns nothing of what its server does."""
        messages = []
        with (
            Engine.open(options) as engine,
            Listener.bind(options, log=lambda level, message: messages.append((level, message))) as listener,
        ):
            listener.serve(engine)
            assert (LogLevel.INFO, f"listening on {listener.addresses[0]}") in messages

    def test_one_that_raises(self, options, monkeypatch):
        """If this fails, a mistake in a program's log function ends the server, or goes unnoticed."""
        unraisable = []
        monkeypatch.setattr(sys, "unraisablehook", lambda found: unraisable.append(found.exc_value))

        def broken(_level, message):
            raise ZeroDivisionError(message)

        with Engine.open(options, log=broken) as engine, Listener.bind(options, log=broken) as listener:
            listener.serve(engine)
            assert [str(error) for error in unraisable if "listening on" in str(error)]
            with RemoteServer(Credentials.generate(listener.addresses[0]), proxy="") as remote:
                assert isinstance(remote.add_version(NIL_VERSION, SEGMENT), VersionAdded)
        assert {type(error) for error in unraisable} == {ZeroDivisionError}
