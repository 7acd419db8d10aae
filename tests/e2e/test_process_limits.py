"""A server under limits of its process: it serves, or it names the limit that is too small, and never just dies."""

import os
import resource
import subprocess
import uuid

import pytest
import server as server_module
import wire
from support import wait_until

MIB = 1 << 20
TIMEOUT_S = 60


def start(tmp_path, limits):
    """Starts a server under resource limits; returns the process and the path of its log."""
    log_path = tmp_path / "log"
    with open(log_path, "wb") as log:
        process = subprocess.Popen(
            [str(server_module.BINARY), "--listen", "127.0.0.1:0", "--data-dir", str(tmp_path / "data")],
            env=server_module.environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=lambda: [resource.setrlimit(kind, (value, value)) for kind, value in limits.items()],
        )
    return process, log_path


def ended_or_listening(process, log_path):
    return process.poll() is not None or "listening on" in log_path.read_text(errors="replace")


def check(tmp_path, limits):
    """Whether it served; if it did not, it has said why in one line."""
    process, log_path = start(tmp_path, limits)
    try:
        wait_until(lambda: ended_or_listening(process, log_path), TIMEOUT_S, "the server has started or ended")
        log = log_path.read_text(errors="replace")
        if process.poll() is None:
            address = server_module.LISTENING.findall(log)[0]
            assert wire.add_version(f"http://{address}", str(uuid.uuid4())).status == 200
            process.terminate()
            assert process.wait(TIMEOUT_S) == 0, log_path.read_text(errors="replace")[-2000:]
            return True
        assert process.returncode == 1, (process.returncode, log[-2000:])
        last = log.splitlines()[-1]
        assert last.startswith("tcsync-server: "), log[-2000:]
        return False
    finally:
        process.kill()
        process.wait()


def test_the_server_runs_within_128_mib_of_data(tmp_path):
    """If this fails, a server in a service unit with LimitDATA=128M ends in std::terminate."""
    assert check(tmp_path, {resource.RLIMIT_DATA: 128 * MIB})


@pytest.mark.parametrize("mib", [4, 8, 12, 16, 24, 32, 48, 64])
def test_a_smaller_data_limit_is_survived_or_explained(tmp_path, mib):
    """If this fails, a limit that is too small ends the server without a word to its operator."""
    if not check(tmp_path, {resource.RLIMIT_DATA: mib * MIB}):
        # And nothing is damaged: with room, it starts.
        assert check(tmp_path, {})


def test_a_limit_on_processes_is_survived_or_explained(tmp_path):
    """If this fails, a limit on processes ends the server without a word to its operator."""
    if os.geteuid() == 0:
        pytest.skip("the limit on processes does not hold for root")
    check(tmp_path, {resource.RLIMIT_NPROC: 1})
