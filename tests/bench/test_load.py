"""The load program: that it finds out servers that lie, counts waiting as a user would, and fills a
server with the clients that it later uses."""

from conftest import fake_server, run_load


def test_a_server_that_stores_nothing_is_detected():
    """If this fails, a server can win a comparison by not doing the work."""
    with fake_server() as url:
        status, report = run_load(url, "add-version", 2, "--seconds", "0.2")
    assert status == 1
    assert "a version that was added is not there" in report["first_faults"][0]


def test_open_loop_latency_includes_waiting():
    """If this fails, a server that stalls looks fast: only the requests under way are charged for the
    stall, and not those that were due meanwhile."""
    with fake_server("--delay-ms", "20") as url:
        # A request each 5 ms for one connection, which can do one each 20 ms: the queue grows.
        _, closed = run_load(url, "get-child-unknown", 1, "--seconds", "0.4")
        _, opened = run_load(url, "get-child-unknown", 1, "--seconds", "0.4", "--rate", "200")
    # In the middle of 400 ms, an answered request has waited for some 3/4 of the time gone by.
    assert opened["answers"]["up_to_date"]["p50_ms"] > 3 * closed["answers"]["up_to_date"]["p50_ms"]
    assert opened["unsent"] > 20


def test_connection_per_request_opens_new_connections(server):
    """If this fails, the load of very many users is measured with connections that are kept."""
    status, report = run_load(
        server, "add-version", 64, "--connection-per-request", "--rate", "300", "--seconds", "0.5"
    )
    assert status == 0, report["first_faults"]
    assert report["connection_per_request"]
    assert set(report["answers"]) == {"added"} and report["answers"]["added"]["count"] > 100


def test_lost_connections_are_counted_separately():
    """If this fails, requests that a server drops without a word are not seen, or are sent again
    behind the measurement's back."""
    with fake_server("--lose-every", "4") as url:
        status, report = run_load(url, "get-child-unknown", 8, "--connection-per-request", "--seconds", "0.3")
    assert status == 0, report["first_faults"]
    lost, answered = (report["answers"][kind]["count"] for kind in ("lost", "up_to_date"))
    assert 0.2 < lost / (lost + answered) < 0.3
    assert report["reconnects"] == 0


def test_an_unreachable_server_is_a_fault():
    """If this fails, a run without a server looks like one in which it refused all clients."""
    status, report = run_load(
        "http://127.0.0.1:9", "get-child-unknown", 4, "--connection-per-request", "--rate", "100", "--seconds", "0.2"
    )
    assert status == 1
    assert "no answer came" in report["first_faults"][0]


def test_requests_beyond_the_connection_limit_do_not_wait():
    """If this fails, users with connections of their own wait for one another's."""
    with fake_server("--delay-ms", "50") as url:
        _, report = run_load(
            url, "get-child-unknown", 2, "--connection-per-request", "--rate", "200", "--seconds", "0.5"
        )
    assert report["unsent"] > 50
    assert report["answers"]["up_to_date"]["p50_ms"] < 150


def test_a_load_uses_the_clients_of_its_population(server):
    """If this fails, loads over a population use other clients than populate made."""
    status, filled = run_load(server, "populate", 4, "--population", "300", "--chain", "2")
    assert status == 0
    assert filled["answers"]["added"]["count"] == 600
    assert filled["clients"] == 0 and filled["population"] == 300

    # The clients that are there stay; new ones are added.
    status, second_report = run_load(server, "populate", 4, "--population", "500")
    assert status == 0
    assert second_report["answers"]["conflict"]["count"] == 300
    assert second_report["answers"]["added"]["count"] == 200

    for load, answer in (("add-version", "added"), ("get-child-404", "up_to_date")):
        status, report = run_load(server, load, 4, "--population", "500", "--seconds", "0.2")
        assert status == 0, report["first_faults"]
        assert set(report["answers"]) == {answer}
        assert report["clients"] == 500
        assert report["answers"][answer]["p50_ms"] <= report["answers"][answer]["p99_ms"]


def test_a_load_with_another_population_seed_fails(server):
    """If this fails, a load measures new clients where it says old ones."""
    run_load(server, "populate", 2, "--population", "20")
    status, report = run_load(
        server, "get-child-404", 2, "--population", "20", "--population-seed", "2", "--seconds", "0.1"
    )
    assert status == 1
    assert "populate the server first" in report["first_faults"][0]


def test_invalid_options_are_refused():
    """If this fails, a typing error measures something else than was meant."""
    for arguments, words in (
        (["populate", 1], "--population"),
        (["populate", 1, "--population", "10", "--rate", "5"], "--rate"),
        (["catch-up", 1, "--population", "10"], "--population"),
        (["add-version-race", 2, "--connection-per-request"], "--connection-per-request"),
        (["add-version", 20, "--population", "10"], "--population"),
    ):
        status, message = run_load("http://127.0.0.1:9", *arguments)
        assert status == 2
        assert words in message
