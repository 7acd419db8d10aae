"""A server in the program itself: the engine and the listener of the library, by the binding."""

import copy
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from uuid import UUID, uuid4

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
    LogRecord,
    RemoteServer,
    TcsyncError,
    VersionAdded,
)

pytestmark = pytest.mark.usefixtures("full_library")

SEGMENT = b"sealed\0bytes"
SEGMENT_TYPE = "application/vnd.taskchampion.history-segment"


@pytest.fixture
def options(tmp_path):
    return {
        "data-dir": tmp_path / "data",
        "listen": ["127.0.0.1:0"],
        "memory-budget": 32 * 1024 * 1024,
    }


@pytest.fixture
def engine(options):
    with Engine.open(options) as opened:
        yield opened


def add_version(engine, client_id, parent=NIL_VERSION, **more):
    headers = [("X-Client-Id", str(client_id)), ("Content-Type", SEGMENT_TYPE)]
    return engine.handle("POST", f"/v1/client/add-version/{parent}", headers, SEGMENT, **more)


# The beginning of each of the programs below.
PRELUDE = """
import gc, os, signal, socket, sys, threading, time, uuid, warnings
from tcsync import *
directory = sys.argv[1]
options = {"data-dir": directory + "/data", "listen": "127.0.0.1:0", "memory-budget": "32M", "log-level": "debug",
           "shutdown-timeout": "500", "client-requests-per-second": 0}
nobody = ("GET", "/v1/client/snapshot")     # Its answer is a 400, which is logged.

def silent(record):
    pass

def add(engine, client):
    headers = [("X-Client-Id", client), ("Content-Type", "application/vnd.taskchampion.history-segment")]
    return engine.handle("POST", f"/v1/client/add-version/{NIL_VERSION}", headers, b"x")

def ask(listener):
    with socket.create_connection(("127.0.0.1", int(listener.addresses[0].rsplit(":", 1)[1])), 10) as connection:
        connection.sendall(b"GET /v1/client/snapshot HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n")
        return connection.recv(12).decode()

def eventually(condition):
    # Messages reach the log function a little later than they arose.
    until = time.monotonic() + 30
    while not condition() and time.monotonic() < until:
        time.sleep(0.001)
    return condition()

def reopens(where=options):
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            Engine.open(where).close()
            return True
        except EngineError as error:
            if error.fault is not EngineFault.IN_USE: raise
            time.sleep(0.05)
    return False

def interrupt_after(seconds):
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, seconds)
"""


@pytest.fixture
def outcome(tmp_path, full_library):
    """The output of a program that gets a directory; it has to end by itself and well."""

    def run(program):
        done = subprocess.run(
            [sys.executable, "-c", PRELUDE + textwrap.dedent(program), str(tmp_path)],
            env={**os.environ, "TCSYNC_LIBRARY": str(full_library)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done
        return done.stdout.splitlines()

    return run


def fault_of(call, *arguments):
    with pytest.raises(EngineError) as raised:
        call(*arguments)
    assert raised.value.name == f"TCSYNC_{raised.value.fault.name}"
    return raised.value.fault


class TestServing:
    def test_a_client_syncs_with_it(self, options):
        """If this fails, a Python program cannot serve replicas, or its data is gone after a restart."""
        with Listener.bind(options) as listener, Engine.open(options) as engine:
            listener.serve(engine)
            credentials = Credentials.generate(listener.addresses[0])
            with RemoteServer(credentials, proxy="") as remote:
                added = remote.add_version(NIL_VERSION, SEGMENT)
                assert isinstance(added, VersionAdded)
        with Engine.open(options) as engine, Listener.bind(options) as listener:
            listener.serve(engine)
            with RemoteServer(
                Credentials(listener.addresses[0], credentials.client_id, credentials.secret),
                proxy="",
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

    def test_a_second_serve_is_refused_and_the_engine_can_be_closed(self, options, engine):
        """If this fails, a mistake in a program leaves an engine that can never be closed."""
        with Listener.bind(options) as listener:
            listener.serve(engine)
            assert fault_of(listener.serve, engine) is EngineFault.INVALID_ARGUMENT
            listener.stop()
            listener.stop()
            assert fault_of(listener.serve, engine) is EngineFault.INVALID_ARGUMENT
        engine.close()
        Engine.open(options).close()

    def test_unusable_addresses_are_refused(self, options):
        """If this fails, a program cannot tell a mistyped address from one that another program has."""
        assert fault_of(Listener.bind, {**options, "listen": "nonsense"}) is EngineFault.INVALID_ADDRESS
        with Listener.bind(options) as listener:
            taken = listener.addresses[0].removeprefix("http://")
            assert fault_of(Listener.bind, {**options, "listen": taken}) is EngineFault.IN_USE

    def test_every_address_is_reported(self, options, tmp_path):
        """If this fails, a program does not know where it serves, or the socket of a closed listener is left."""
        socket = tmp_path / "s"
        addresses = ["127.0.0.1:0", f"unix:{socket}"]
        with Listener.bind({**options, "listen": addresses, "metrics-listen": "127.0.0.1:0"}) as listener:
            first, second, metrics = listener.addresses
            assert (second, first == metrics) == (f"unix:{socket}", False)
            assert socket.exists()
        assert not socket.exists()


class TestClosing:
    def test_closing_twice_is_harmless(self, options):
        """If this fails, a mistake in a program frees memory twice."""
        engine, listener = Engine.open(options), Listener.bind(options)
        for closed in (engine, listener):
            closed.close()
            closed.close()
        listener.stop()

    def test_use_after_closing_is_refused(self, options):
        """If this fails, a mistake in a program reads freed memory."""
        engine, listener = Engine.open(options), Listener.bind(options)
        engine.close()
        for call in (lambda: engine.handle("GET", "/"), lambda: engine.administer("GET", "/v1/admin/stats"),
                     lambda: engine.monitor("/health"), lambda: engine.option("storage"),
                     lambda: listener.serve(engine)):  # fmt: skip
            with pytest.raises(TcsyncError, match="closed"):
                call()
        listener.close()
        with (
            Engine.open(options) as another,
            pytest.raises(TcsyncError, match="closed"),
        ):
            listener.serve(another)
        Engine.open(options).close()

    def test_closing_waits_for_running_calls(self, options):
        """If this fails, closing frees memory that another thread is using."""
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
    def test_the_end_of_the_program_closes_everything(self, options, full_library, how):
        """If this fails, a program that serves hangs at its end, or crashes there, or leaves its socket behind."""
        socket = options["data-dir"].with_name("s")
        program = (
            "import signal, tcsync\n"
            f"options = {{'data-dir': {str(options['data-dir'])!r}, 'listen': 'unix:{socket}', 'log-level': 'debug'}}\n"
            "engine = tcsync.Engine.open(options, log=lambda record: None)\n"
            "listener = tcsync.Listener.bind(options, log=lambda record: None)\n"
            "listener.serve(engine)\n"
            "try:\n"
            "    print('serving', flush=True)\n"
            f"    {'signal.pause()' if how == 'interrupt' else 'pass'}\n"
            "except KeyboardInterrupt: print('interrupted')\n"
        )
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
            [sys.executable, "-c", program],
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
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


class TestCollection:
    def test_collection_closes_nothing(self, outcome):
        """If this fails, closing waits on a thread of the library for that thread itself."""
        assert outcome("""
            listener, engine = Listener.bind(options, log=silent), Engine.open(options, log=silent)
            listener.serve(engine)
            address = listener.addresses[0]
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                del listener, engine
                gc.collect()
            print(sorted(str(warning.message) for warning in caught if warning.category is ResourceWarning))
            print(probe_server(address, proxy="").kind.name)
        """) == [
            "['a tcsync.Engine was not closed, and stays open', 'a tcsync.Listener was not closed, and stays open']",
            "SYNC_SERVER",
        ]

    def test_a_log_function_may_drop_the_last_reference(self, outcome):
        """If this fails, the program aborts or hangs when a thread of the library drops the last reference."""
        assert outcome("""
            gc.disable()
            collected = []

            def log(record):
                collected.append(gc.collect())

            class Owner: pass
            owner = Owner()
            owner.itself = owner
            owner.listener, owner.engine = Listener.bind(options), Engine.open(options, log=log)
            owner.listener.serve(owner.engine)
            address = owner.listener.addresses
            class Address: addresses = address
            del owner
            print(ask(Address), eventually(lambda: sum(collected) > 0), ask(Address))
        """) == ["HTTP/1.1 400 True HTTP/1.1 400"]

    def test_the_log_function_outlives_its_last_reference(self, outcome):
        """If this fails, a thread of the library calls a callback whose memory was freed."""
        assert outcome("""
            import ctypes
            seen = []
            engine = Engine.open(options, log=lambda record: seen.append(record.text))
            listener = Listener.bind(options)
            listener.serve(engine)
            engine.close()
            del engine
            gc.collect()
            others = [ctypes.CFUNCTYPE(None)(lambda: os.abort()) for _ in range(3000)]
            count = len(seen)
            print(ask(listener), eventually(lambda: len(seen) > count))
            listener.close()
            print(reopens())
        """) == ["HTTP/1.1 400 True", "True"]

    def test_closing_releases_the_log_function(self, outcome):
        """If this fails, closing does not let go of the log function, and so of everything that it refers to."""
        assert outcome("""
            import weakref
            class Owner:
                def __init__(self):
                    self.engine = Engine.open(options, log=self.log)
                def log(self, record):
                    pass
            owner = Owner()
            owner.engine.close()
            seen = weakref.ref(owner)
            del owner
            gc.collect()
            print(seen())
        """) == ["None"]


class TestInterrupts:
    def test_an_interrupted_opening_leaves_no_engine(self, outcome):
        """If this fails, a collected engine keeps its directory locked, or its thread runs into freed memory."""
        assert outcome("""
            interrupted = 0
            for number in range(12):
                where = {**options, "data-dir": f"{directory}/{number}"}
                engine = None
                try:
                    interrupt_after(0.001 + number * 0.002)
                    engine = Engine.open(where, log=silent)
                    time.sleep(1)
                except KeyboardInterrupt:
                    interrupted += 1
                if engine:
                    engine.close()
                if not reopens(where):
                    print("is left open", number)
            print(interrupted)
        """) == ["12"]

    def test_an_interrupted_binding_leaves_no_socket(self, outcome):
        """If this fails, the socket of a collected listener stays bound."""
        assert outcome("""
            sockets = []
            for number in range(60):
                sockets.append(f"{directory}/{number}")
                listener = None
                try:
                    interrupt_after(0.00002 + number * 0.00002)
                    listener = Listener.bind({**options, "listen": "unix:" + sockets[-1]})
                    time.sleep(1)
                except KeyboardInterrupt:
                    pass
                if listener:
                    listener.close()
            until = time.monotonic() + 10
            while [name for name in sockets if os.path.exists(name)] and time.monotonic() < until:
                time.sleep(0.05)
            print([name for name in sockets if os.path.exists(name)])
        """) == ["[]"]

    def test_an_interrupted_request_does_not_prevent_closing(self, outcome):
        """If this fails, the engine counts a call that has ended, and is never closed."""
        assert outcome("""
            engine = Engine.open(options, log=silent)
            interrupted = 0
            for number in range(300):
                try:
                    interrupt_after(0.00005 + number % 50 * 0.00002)
                    while True: engine.handle(*nobody)
                except KeyboardInterrupt:
                    interrupted += 1
            print(interrupted, engine.handle(*nobody).status)
            engine.close()
            Engine.open(options).close()
        """) == ["300 400"]

    def test_an_interrupted_close_completes(self, outcome):
        """If this fails, a second Ctrl-C leaves a server running that counts as closed."""
        assert outcome("""
            where = {**options, "shutdown-timeout": "5000"}
            engine, listener = Engine.open(where, log=silent), Listener.bind(where, log=silent)
            listener.serve(engine)
            connection = socket.create_connection(("127.0.0.1", int(listener.addresses[0].rsplit(":", 1)[1])))
            connection.sendall(
                f"POST /v1/client/add-version/{NIL_VERSION} HTTP/1.1\\r\\nHost: x\\r\\n"
                f"X-Client-Id: {uuid.uuid4()}\\r\\nContent-Type: application/vnd.taskchampion.history-segment\\r\\n"
                f"Content-Length: 9\\r\\n\\r\\nabc".encode()
            )
            time.sleep(0.2)
            try:
                interrupt_after(0.3)
                listener.close()
            except KeyboardInterrupt:
                print("interrupted")
            engine.close()
            try: Engine.open(where)
            except EngineError as error: print(error.fault.name)
            listener.close()
            Engine.open(where).close()
        """) == ["interrupted", "IN_USE"]

    def test_an_interrupt_in_a_log_function_is_not_lost(self, outcome):
        """If this fails, Ctrl-C is lost, because an exception in a log function goes nowhere."""
        assert outcome("""
            sent = []

            def log(record):
                if not sent:    # A second one could come when the program has left its `try`.
                    sent.append(record)
                    os.kill(os.getpid(), signal.SIGINT)
                sum(range(1000))

            with Engine.open(options) as engine, Listener.bind(options, log=log) as listener:
                try:
                    listener.serve(engine)
                    time.sleep(1)
                    print("lost")
                except KeyboardInterrupt:
                    print("raised")
        """) == ["raised"]


class TestProgramExit:
    @pytest.mark.parametrize("is_closed", [True, False])
    def test_requests_of_threads_do_not_abort_it(self, outcome, is_closed):
        """If this fails, the library calls the log function in an interpreter that is going away, and aborts."""
        assert (
            outcome(f"""
            engine = Engine.open(options, log=silent)

            def work():
                client = str(uuid.uuid4())
                try:
                    while True: add(engine, client)
                except TcsyncError as error:
                    ends.append(str(error))

            ends = []
            for _ in range(8):
                threading.Thread(target=work, daemon=True).start()
            time.sleep(0.5)
            if {is_closed}:
                engine.close()
        """)
            == []
        )

    def test_engines_are_closed_without_a_new_thread(self, outcome):
        """If this fails, a newer Python, which starts no thread at its end, cannot close engines in `atexit`."""
        assert outcome("""
            import _thread, atexit
            engine = Engine.open(options, log=silent)

            def close():
                def refuse(*_): raise RuntimeError("can't create new thread at interpreter shutdown")
                _thread.start_new_thread = threading.Thread.start = refuse
                engine.close()
                print("closed")

            atexit.register(close)
        """) == ["closed"]


class TestForks:
    @pytest.mark.parametrize(
        "use",
        [
            "engine.handle(*nobody)",
            "engine.administer('GET', '/v1/admin/stats')",
            "engine.monitor('/health')",
            "engine.option('storage')",
            "listener.stop()",
            "listener.serve(engine)",
            "Engine.open({**options, 'data-dir': directory + '/other'})",
            "Listener.bind(options)",
        ],
    )
    @pytest.mark.parametrize("is_closed", [False, True])
    def test_an_engine_is_refused_in_a_forked_process(self, outcome, use, is_closed):
        """If this fails, a forked process waits for ever for threads that it lacks."""
        assert outcome(f"""
            engine, listener = Engine.open(options, log=silent), Listener.bind(options, log=silent)
            listener.serve(engine)
            if {is_closed}:
                listener.close(); engine.close()
            child = os.fork()
            if not child:
                signal.alarm(10)
                try: {use}
                except EngineError as error: os._exit(7 if "spawn" in str(error) else 8)
                os._exit(9)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
            if not {is_closed}:
                print(ask(listener))
                listener.close(); engine.close()
        """) == (["7"] if is_closed else ["7", "HTTP/1.1 400"])

    def test_an_engine_can_be_opened_after_a_fork(self, outcome):
        """If this fails, a program that forks its workers first has no engine in them."""
        assert outcome("""
            child = os.fork()
            if not child:
                Engine.open(options).close()
                os._exit(7)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), reopens())
        """) == ["7 True"]


class TestFaults:
    def test_a_locked_data_directory_is_refused(self, options, engine, python, full_library):
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

    def test_a_library_without_the_server_is_explained(self, python):
        """If this fails, a user of only the Python package does not learn how to get the server."""
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
            (
                {"create-clients": "perhaps"},
                EngineFault.INVALID_OPTION_VALUE,
                "perhaps",
            ),
            ({"data-dir": "a\0b"}, EngineFault.INVALID_OPTION_VALUE, "zero byte"),
            (
                {"listen\0": "127.0.0.1:0"},
                EngineFault.INVALID_OPTION_VALUE,
                "zero byte",
            ),
        ],
    )
    def test_invalid_options_are_refused(self, options, wrong, fault, words):
        """If this fails, a mistyped option is ignored, or ends in a crash."""
        for call in (Engine.open, Listener.bind):
            with pytest.raises(EngineError, match=words) as raised:
                call({**options, **wrong})
            assert raised.value.fault is fault
        assert not options["data-dir"].exists()

    @pytest.mark.parametrize("value", [None, 6.4, b"64M", {"64M"}, ["32M", "64M"], "\ud800"])
    def test_an_option_value_of_a_wrong_type_is_refused(self, options, value):
        """If this fails, the message is about something else, or another value is taken than the one that was meant."""
        with pytest.raises(EngineError, match="'memory-budget'") as raised:
            Engine.open({**options, "memory-budget": value})
        assert raised.value.fault is EngineFault.INVALID_OPTION_VALUE

    def test_list_options_accept_their_items(self, options):
        """If this fails, one item is taken for two, or a UUID is none."""
        for wrong in (["unix:/a,b"], [None], [["x"]]):
            with pytest.raises(EngineError, match="an item of the option 'listen'"):
                Listener.bind({**options, "listen": wrong})
        client_id = uuid4()
        with Engine.open({**options, "allow-client-id": [client_id, UUID(int=1)]}) as engine:
            assert add_version(engine, client_id).status == 200
            assert add_version(engine, uuid4()).status == 403

    @pytest.mark.parametrize("wrong", [None, 5, "data-dir", [("data-dir", "x")], {5: "x"}])
    def test_options_of_a_wrong_type_are_refused(self, wrong):
        """If this fails, a mistake in a program's options crashes it, or opens an engine in the wrong place."""
        with pytest.raises(EngineError, match="option"):
            Engine.open(wrong)

    def test_arguments_of_a_wrong_type_are_refused(self, options, engine):
        """If this fails, a mistake stores zero bytes, or is noticed only when something is logged."""
        for body in (None, 5, "text", [1, 2]):
            with pytest.raises(EngineError, match="body"):
                engine.handle("POST", "/", (), body)
        for headers in (None, "ab", {"a": "b"}, ["ab"], [("a",)]):
            with pytest.raises(EngineError, match="headers"):
                engine.handle("GET", "/", headers)
        for arguments, word in (
            ((None, "/"), "method"),
            (("GET", b"/"), "target"),
            (("GET", "/", [("a", 5)]), "'a'"),
        ):
            with pytest.raises(EngineError, match=word):
                engine.handle(*arguments)
        with pytest.raises(EngineError, match="peer_address"):
            engine.handle("GET", "/", peer_address=5)
        with pytest.raises(EngineError, match="log"):
            Engine.open(options, log="x")
        with (
            Listener.bind(options) as listener,
            pytest.raises(EngineError, match="engine"),
        ):
            listener.serve(None)
        assert engine.handle("POST", "/", {"a": "b"}.items(), bytearray(b"x")).status == 405

    def test_an_engine_cannot_be_copied(self, engine):
        """If this fails, an engine has two owners."""
        for call in (copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="Engine"):
                call(engine)

    def test_an_impossible_directory_is_refused(self, options):
        """If this fails, a mistyped path costs a user a file."""
        options["data-dir"].write_text("a file", encoding="utf-8")
        assert fault_of(Engine.open, options) in (
            EngineFault.SYSTEM,
            EngineFault.WRONG_FORMAT,
        )
        assert options["data-dir"].read_text(encoding="utf-8") == "a file"


class TestRequests:
    def test_an_answer_has_its_status_headers_and_body(self, engine):
        """If this fails, a program with an HTTP server of its own gives replicas half of an answer."""
        client_id = uuid4()
        added = add_version(engine, client_id)
        assert added.status == 200
        version_id = dict(added.headers)["X-Version-Id"]
        got = engine.handle(
            "GET",
            f"/v1/client/get-child-version/{NIL_VERSION}",
            [("x-client-id", str(client_id))],
        )
        assert (got.status, got.body) == (200, SEGMENT)
        assert dict(got.headers)["X-Version-Id"] == version_id and dict(got.headers)["Content-Type"] == SEGMENT_TYPE
        assert "sealed" not in repr(got)

    def test_refusals_are_answers(self, engine):
        """If this fails, a stranger's malformed request raises an exception in the host's server."""
        assert engine.handle("GET", "/v1/client/snapshot").status == 400
        assert engine.handle("BREW", "/nowhere", body=b"tea").status in (404, 405)
        with pytest.raises(EngineError, match="HTTP cannot carry"):
            engine.handle("GET", "/\N{SNOWMAN}")

    def test_options_and_addresses_take_effect(self, options):
        """If this fails, truth values are not understood, or one stranger uses up all users' limit."""
        with Engine.open({**options, "create-clients": False}) as engine:
            assert add_version(engine, uuid4()).status == 404
        with Engine.open({**options, "new-clients-per-address-day": 1}) as engine:
            statuses = [
                add_version(engine, uuid4(), peer_address=address).status
                for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2")
            ]
            assert (statuses[0], statuses[2]) == (200, 200) and statuses[1] != 200
            # A listening socket gives the scope of a link-local address with it.
            assert add_version(engine, uuid4(), peer_address="fe80::1%eth0").status == 200

    def test_administration_requests_are_answered(self, engine):
        """If this fails, a program that embeds the server cannot look after its data."""
        add_version(engine, uuid4())
        assert engine.monitor("/health").status == 200
        assert b"tcsync_http_requests_total" in engine.monitor("/metrics").body
        assert engine.monitor("/v1/admin/stats").status == 404
        answer = engine.administer("GET", "/v1/admin/stats")
        assert answer.status == 200 and json.loads(answer.body)["clients"] == 1
        assert engine.administer("GET", "/v1/admin/no-such-thing").status == 404

    def test_options_in_force_are_listed(self, options):
        """If this fails, an operator cannot find out which options an engine runs with."""
        with Engine.open({**options, "memory-budget": "64M", "block-cache-bytes": "1M"}) as engine:
            assert engine.option("data-dir") == str(options["data-dir"])
            assert engine.option("block-cache-bytes") == "1048576"
            assert engine.option("memtable-bytes") == "4194304"
            with pytest.raises(EngineError, match="no-such-option") as caught:
                engine.option("no-such-option")
            assert caught.value.fault is EngineFault.UNKNOWN_OPTION
            with pytest.raises(EngineError, match="a text"):
                engine.option(7)


class TestLog:
    def test_records_reach_the_log_function(self, options):
        """If this fails, a program gets no log of its server."""
        records = []
        with (
            Engine.open(options) as engine,
            Listener.bind(options, log=records.append) as listener,
        ):
            listener.serve(engine)
        text = f"listening on {listener.addresses[0]}"
        assert LogRecord(LogLevel.INFO, text, {}, text) in records

    def test_records_have_fields(self, options):
        """If this fails, a program has to search a sentence for a client's ID or an address."""
        records = []
        with Engine.open(options, log=records.append) as engine:
            assert engine.handle("GET", "/v1/client/snapshot").status == 400
        (refusal,) = (record for record in records if "reason" in record.fields)
        assert refusal.fields == {"status": "400", "reason": "bad-request"}
        assert "=" not in refusal.message
        assert str(refusal) == f"status=400 reason=bad-request: {refusal.message}"

    def test_an_exception_in_the_log_function_is_reported(self, options, monkeypatch):
        """If this fails, a mistake in a program's log function ends the server, or goes unnoticed."""
        unraisable = []
        monkeypatch.setattr(sys, "unraisablehook", lambda found: unraisable.append(found.exc_value))

        def broken(record):
            raise ZeroDivisionError(record.message)

        with (
            Engine.open(options, log=broken) as engine,
            Listener.bind(options, log=broken) as listener,
        ):
            listener.serve(engine)
            with RemoteServer(Credentials.generate(listener.addresses[0]), proxy="") as remote:
                assert isinstance(remote.add_version(NIL_VERSION, SEGMENT), VersionAdded)
        assert [str(error) for error in unraisable if "listening on" in str(error)]
        assert {type(error) for error in unraisable} == {ZeroDivisionError}

    @pytest.mark.parametrize(
        "use", ["engine.close()", "listener.close()", "listener.stop()", "listener.serve(engine)",
                "Engine.open({**options, 'data-dir': directory + '/other'})", "Listener.bind(options)"]
    )  # fmt: skip
    def test_a_log_function_cannot_close_its_engine(self, outcome, use):
        """If this fails, the library waits for a log function that waits for the library."""
        assert outcome(f"""
            unraisable = []
            sys.unraisablehook = lambda found: unraisable.append(found.exc_value)

            def log(record):
                if is_ready:
                    {use}

            is_ready = []
            engine, listener = Engine.open(options, log=log), Listener.bind(options)
            listener.serve(engine)
            is_ready.append(True)
            print(ask(listener))
            eventually(lambda: unraisable)
            is_ready.clear()
            listener.close()
            engine.close()
            print({{(type(error), "log function" in str(error)) for error in unraisable}} == {{(EngineError, True)}})
        """) == ["HTTP/1.1 400", "True"]

    def test_a_log_function_may_send_requests(self, options):
        """If this fails, a log function cannot use the engine although the page says so."""
        statuses = []
        with (
            Engine.open(
                options,
                log=lambda record: statuses.append(engine.handle("GET", "/health").status),
            ) as engine,
        ):
            engine.handle("GET", "/v1/client/snapshot")
            deadline = time.monotonic() + 30
            while not statuses and time.monotonic() < deadline:
                time.sleep(0.001)
        assert statuses and set(statuses) == {200}
