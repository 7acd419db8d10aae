"""Both computers, from nothing to in sync, at a terminal and from scripts: if this fails, nobody can set up sync."""

import json
import os
import re


def set_up_first_at_terminal(computer, url, *flags):
    """The conversation of a first computer with its own server; the terminal when it is over."""
    terminal = computer.terminal("setup", *flags)
    terminal.answer("Choose option [1]: ", "2")
    terminal.answer("Do you have existing credentials from another computer? [y/N]: ", "n")
    terminal.answer("Server URL: ", url)
    assert terminal.end() == 0, terminal.screen
    return terminal


def test_two_computers_are_set_up_at_a_terminal(server, first, second):
    """If this fails, the way that the documentation describes does not lead to two computers in sync."""
    first.add("Buy milk", "Call Ada")
    terminal = set_up_first_at_terminal(first, server.url)
    assert "Read back and verified: the server and this computer both have 2 tasks (2 pending)." in terminal.screen
    code = re.search(r"^    (TCSYNC-\S+)$", terminal.screen, re.MULTILINE)[1]
    assert code == first.pair()
    assert first.secret() in terminal.screen
    for sentence in ("On the other computer:", "Nobody can recover a lost secret", "`task undo` only undoes"):
        assert sentence in terminal.screen

    second.add("Water plants")
    terminal = second.terminal("setup")
    terminal.answer("Choose option [1]: ", "2")
    terminal.answer("Do you have existing credentials from another computer? [y/N]: ", "y")
    terminal.answer("Pairing code (or Enter to type URL, client ID and secret)", f"  {code.lower()}  ")
    terminal.wait_for("The credentials fit: the server has 2 tasks (2 pending).")
    terminal.wait_for("This computer already has 1 task (1 pending).")
    terminal.answer("Merge the tasks of this computer with those on the server? [Y/n]: ", "")
    assert terminal.end() == 0
    assert "received 2 tasks" in terminal.screen
    assert "both have 3 tasks (3 pending)" in terminal.screen
    first.task("sync")
    assert first.tasks() == second.tasks()
    assert first.tasks().keys() == {"Buy milk", "Call Ada", "Water plants"}


def test_the_cloud_server_is_the_default_and_can_be_changed(server, first):
    """If this fails, staging cannot be tested, or pressing Enter does not choose the cloud."""
    terminal = first.terminal("setup", TCSYNC_CLOUD_URL=server.url)
    terminal.answer("Choose option [1]: ", "")
    terminal.answer("existing credentials from another computer? [y/N]: ", "n")
    assert terminal.end() == 0
    assert f"sync.server.url={server.url}" in first.taskrc.read_text(encoding="utf-8")


def test_credentials_can_be_typed_field_by_field(server, paired, second):
    """If this fails, credentials of other programs cannot be entered. Spaces, case and scheme are forgiven."""
    client_id = paired.json("show")["client_id"]
    terminal = second.terminal("setup")
    terminal.answer("Choose option [1]: ", "2")
    terminal.answer("[y/N]: ", "y")
    terminal.answer("Pairing code", "")
    terminal.answer("Server URL: ", f"  {server.url.removeprefix('http://').upper()}/ ")
    terminal.answer("Client ID: ", f" {client_id.upper()} ")
    terminal.answer("Secret (not shown): ", paired.secret())
    assert terminal.end() == 0
    assert paired.secret() not in terminal.screen
    assert second.tasks() == paired.tasks()


def test_two_empty_computers_are_set_up_without_a_warning(server, first, second):
    """If this fails, the second computer of a user without tasks shows a warning about wrong credentials."""
    assert first.tcsync("setup", "--first-computer", "--server-url", server.url).returncode == 0
    outcome = second.json("setup", "--pairing-code-file", "-", given=first.pair())
    assert outcome["result"] == "done" and outcome["tasks"] == {"all": 0}
    second.add("From the second")
    second.task("sync")
    first.task("sync")
    assert first.tasks().keys() == {"From the second"}


def test_scripts_can_set_up_both_computers(server, paired, second, tmp_path):
    """If this fails, the setup cannot be automated: secrets from a file, from a descriptor, and from standard input."""
    secret_file = tmp_path / "secret"
    secret_file.write_text(f"{paired.secret()}\n", encoding="utf-8")
    client_id = paired.json("show")["client_id"]
    typed = ("setup", "--second-computer", "--server-url", server.url, "--client-id", client_id)
    outcome = second.json(*typed, "--secret-file", secret_file)
    assert outcome["result"] == "done", outcome
    assert (outcome["sent_operations"], outcome["received_tasks"]) == (0, 2)
    assert outcome["tasks"] == {"all": 2, "pending": 2}
    reader, writer = os.pipe()
    os.write(writer, paired.secret().encode())
    os.close(writer)
    outcome = second.json(*typed, "--secret-fd", reader, pass_fds=(reader,))
    os.close(reader)
    assert (outcome["result"], outcome["changed"]) == ("kept", False)
    assert second.json(*typed, "--secret-file", "-", given=paired.secret())["result"] == "kept"


def test_reported_counts_are_correct(server, paired, second):
    """If this fails, the wizard tells numbers that are not so."""
    paired.task("1", "done")
    paired.task("2", "delete")
    paired.task("sync")
    second.add("One", "Two", "Three")
    unsent = second.json("doctor")
    assert "18 changes not sent" in next(c["text"] for c in unsent["checks"] if c["check"] == "replica")
    outcome = second.json("setup", "--merge", "--pairing-code-file", "-", given=paired.pair())
    assert outcome["sent_operations"] == 15
    assert outcome["received_tasks"] == 2
    assert outcome["tasks"] == {"all": 5, "completed": 1, "deleted": 1, "pending": 3}
    assert len(second.tasks()) == 5


def test_piped_output_is_plain_and_hides_secrets(server, first):
    """If this fails, a log of a script has escape codes or a user's secret in it."""
    done = first.tcsync("setup", "--first-computer", "--server-url", server.url)
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert first.secret() not in done.stdout + done.stderr
    assert first.pair() not in done.stdout + done.stderr
    again = ("setup", "--first-computer", "--server-url", server.url, "--replace", "--merge", "--reveal")
    shown = first.tcsync(*again)
    assert first.secret() in shown.stdout and first.pair() in shown.stdout


def test_no_color_is_honoured(server, first):
    """If this fails, people who asked for no colours get escape codes."""
    terminal = first.terminal("setup", "--first-computer", "--server-url", server.url, NO_COLOR="1")
    assert terminal.end() == 0
    assert "\x1b[" not in terminal.raw
    terminal = first.terminal("doctor", "--no-sync")
    assert terminal.end() == 0
    assert "\x1b[32m" in terminal.raw, "colours are never shown"


def test_the_qr_code_carries_the_pairing_code(server, paired):
    """If this fails, the QR code in the terminal is not shown, or shown where it was not asked for."""
    shown = paired.tcsync("pair", "--qr").stdout
    assert shown.startswith(paired.pair())
    assert len(shown.splitlines()) > 20 and "\N{FULL BLOCK}" in shown
    assert paired.json("pair") == {"pairing_code": paired.pair()}


def test_show_masks_the_secret(paired):
    """If this fails, `tcsync show` over a shoulder gives the tasks away."""
    assert paired.secret() not in paired.tcsync("show").stdout
    assert "********" in paired.tcsync("show").stdout
    assert json.loads(paired.tcsync("show", "--json", "--reveal").stdout)["secret"] == paired.secret()


def test_text_is_wrapped_at_a_narrow_terminal(server, first):
    """If this fails, words are torn apart at the edge of a usual terminal, or text copied from it has gaps."""
    first.add("Buy milk")
    terminal = first.terminal("setup", "--first-computer", "--server-url", server.url, columns=80)
    assert terminal.end() == 0
    secrets = {first.pair(), first.secret()}
    for line in terminal.screen.split("\n"):
        assert len(line) <= 80 or len(line.split()) == 1 or secrets & set(line.split()), line
    # No line end within them: a terminal that breaks a long line copies it as one.
    assert all(value in terminal.screen for value in secrets)
    assert "answer yes to “existing\n  credentials”" in terminal.screen
