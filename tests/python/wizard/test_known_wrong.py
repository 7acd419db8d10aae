"""Settings that are known not to work are never saved, and statuses of the first `task sync` are explained."""

import pytest
from servers import answering, gateway

from tcsync.wizard.branding import NEUTRAL
from tcsync.wizard.cli import _answers, setup
from tcsync.wizard.console import Console
from tcsync.wizard.findings import CommandStopped, Finding, Problem
from tcsync.wizard.setup.ask import Asker, AskMode
from tcsync.wizard.setup.conversation import AfterFailure, Conversation

# The server or the way to it does not work at the moment, which says nothing against the settings.
MAY_BE_SAVED = {
    "remote-name-not-resolved", "remote-connection-refused", "remote-network-failed", "remote-failed",
    "remote-timed-out", "remote-proxy-failed", "remote-certificate-expired", "remote-certificate-untrusted",
    "remote-tls-failed", "remote-rate-limited", "remote-server-unavailable", "remote-server-full",
    "remote-server-failed", "remote-too-large", "task-hangs", "task-fails", "sync-rate-limited",
    "sync-too-large", "sync-server-full", "sync-server-failed", "sync-unreachable", "sync-untrusted", "sync-failed",
}  # fmt: skip
NOT_SAVED = "The settings cannot be saved as unverified: they are known not to work."


@pytest.mark.parametrize("problem", Problem, ids=lambda problem: problem.identifier)
def test_only_settings_that_may_work_are_saved(problem):
    """If this fails, --save-unverified saves a wrong secret, or does not save right settings without a network."""
    answers = _answers(setup.make_context("setup", ["--save-unverified"]).params)
    conversation = Conversation(Console(quiet=True), Asker(AskMode.FLAGS_ONLY), answers, NEUTRAL)

    def after_failure():
        finding = Finding(problem, "It failed.", "Try again.")
        return conversation.after_failure(finding, "second", may_save=True, may_ask_again=False)

    if problem.identifier in MAY_BE_SAVED:
        assert after_failure() is AfterFailure.SAVE
        return
    with pytest.raises(CommandStopped) as stopped:
        after_failure()
    assert stopped.value.finding == Finding(problem, f"It failed. {NOT_SAVED}", "Try again.")


def test_every_problem_that_may_be_saved_exists():
    """If this fails, the table above is about problems of the past."""
    assert {problem.identifier for problem in Problem} >= MAY_BE_SAVED


def test_a_wrong_secret_is_not_saved(server, paired, second):
    """If this fails, a person is offered to save a secret that does not open the data, and finds out later."""
    client_id = paired.json("show")["client_id"]
    flags = ("setup", "--server-url", server.url, "--client-id", client_id, "--secret-file", "-")
    outcome = second.json(*flags, "--save-unverified", given="0" * 64)
    assert ([message["id"] for message in outcome["messages"]], outcome["exit_code"]) == (["unseal-wrong-key"], 6)
    assert NOT_SAVED in outcome["messages"][0]["text"]
    terminal = second.terminal("setup", "--second-computer", "--server-url", server.url, "--client-id", client_id)
    terminal.answer("Secret (not shown): ", "0" * 64)
    terminal.wait_for(NOT_SAVED)
    terminal.wait_for("2. Stop and change nothing")
    terminal.answer("Choose option [1]: ", "2")
    assert terminal.end() == 10
    assert second.files() == {}


STATUSES = {
    "sync-not-found": 404,
    "sync-too-large": 413,
    "sync-status": 418,
    "sync-rate-limited": 429,
    "sync-server-failed": 503,
    "sync-server-full": 507,
}


@pytest.mark.parametrize("identifier", STATUSES)
def test_each_status_of_the_first_sync_is_explained(server, first, identifier):
    """If this fails, a person whose `task sync` was refused is sent to a doctor that has nothing to say."""
    first.add("Buy milk")
    before = first.files()
    with gateway(server.url, "POST /v1/client/add-version/", lambda _pass_on: (STATUSES[identifier], {}, b"")) as url:
        outcome = first.json("setup", "--first-computer", "--server-url", url)
    (message,) = outcome["messages"]
    assert (message["id"], outcome["exit_code"]) == (identifier, 5), outcome
    assert "doctor" not in message["remedy"]
    assert first.files() == before


def test_a_sync_that_was_asked_to_slow_down_is_tried_again(server, first):
    """If this fails, the remedy for 429, to wait and try again, does not lead to a computer that is set up."""
    first.add("Buy milk")
    refused = []

    def answer(pass_on):
        if refused:
            return pass_on()
        refused.append(True)
        return 429, {"Retry-After": "1"}, b""

    with gateway(server.url, "POST /v1/client/add-version/", answer) as url:
        terminal = first.terminal("setup", "--first-computer", "--server-url", url)
        terminal.wait_for("[sync-rate-limited]")
        terminal.wait_for("Save the settings as unverified")
        terminal.answer("Choose option [1]: ", "1")
        assert terminal.end() == 0
    assert "both have 1 task (1 pending)" in terminal.screen


def test_a_url_without_its_path_is_not_saved(first):
    """If this fails, a URL at which there is no sync server is saved, and every later sync fails."""
    with answering(404) as url:
        outcome = first.json("setup", "--first-computer", "--server-url", url, "--save-unverified")
    assert ([message["id"] for message in outcome["messages"]], outcome["exit_code"]) == (["remote-broken-answer"], 5)
    assert NOT_SAVED in outcome["messages"][0]["text"] and first.files() == {}
