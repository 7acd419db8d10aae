"""Text that people paste: codes and settings as mail programs, shells and terminals dress them, and pastes that went to
the wrong place."""

from uuid import UUID

import pytest

from tcsync import Credentials, Secret, encode_pairing_code
from tcsync.credentials import secret_peculiarity
from tcsync.wizard.findings import CommandStopped, Problem
from tcsync.wizard.pasted import clean_text, credentials_in, missing_part

USUAL = Credentials(
    "https://sync.example.com/base", UUID("9d5cf1df-12b8-4def-872b-4e3c54ca091d"), Secret("0f1e2d3c4b5a6978" * 4)
)
ID, SECRET = str(USUAL.client_id), USUAL.secret.reveal()
URL_LINE, ID_LINE = f"sync.server.url={USUAL.url}", f"sync.server.client_id={ID}"
SECRET_LINE = f"sync.encryption_secret={SECRET}"
LINES = f"{URL_LINE}\n{ID_LINE}\n{SECRET_LINE}\n"
CODE = encode_pairing_code(USUAL).reveal()

SETTINGS = {
    "of the server": LINES,
    "in another order": f"{SECRET_LINE}\n{ID_LINE}\n{URL_LINE}",
    "with spaces": LINES.replace("=", " = "),
    "of a taskrc": f"# mine\ndata.location=~/.task\n{LINES}color=off\n#{URL_LINE}/other\n",
    "with comments": LINES.replace("\n", " # mine\n"),
    "with escapes": LINES.replace("https:", "https\\u003a"),
    "with the old name": LINES.replace("sync.server.url", "sync.server.origin"),
    "of a quoted mail": "Hi Ada,\r\n\r\n" + "".join(f"> {line}\r\n" for line in LINES.splitlines()) + "\r\nGrace\r\n",
    "of a page": "```\n" + LINES + "```\n",
    "as commands": f"$ task config sync.server.url {USUAL.url}\n# task config sync.server.client_id '{ID}'\n"
    f'task rc.confirmation=off config sync.encryption_secret "{SECRET}"\n',
    "with names alone": LINES.replace("=", " "),
    "of show": f"  Server URL:   {USUAL.url}\n  Client ID:    {ID}\n  Secret:       {SECRET}\n",
    "with a broken secret": f"{URL_LINE}\n{ID_LINE}\n{SECRET_LINE[:80]}\n{SECRET_LINE[80:]}\n",
    "as a terminal brackets them": f"\x1b[200~{LINES}\x1b[201~",
    "with a code": f"{LINES}Pairing code:\n  {CODE}\n",
    "beside a code": f"Server URL: https://elsewhere.example\nPairing code:\n  {CODE}\n",
}


@pytest.mark.parametrize("how", SETTINGS)
def test_pasted_settings_are_understood(how):
    """If this fails, a person who has the three settings has to take them apart by hand."""
    assert credentials_in(SETTINGS[how]) == USUAL
    assert missing_part(SETTINGS[how]) is None


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        (URL_LINE, "sync.server.client_id, sync.encryption_secret are missing"),
        (f"{URL_LINE}\n{ID_LINE}\nsync.encryption_secret=\n", "sync.encryption_secret is missing"),
        (f"{ID_LINE}\n{SECRET_LINE}\n#{URL_LINE}", "sync.server.url is missing"),
    ],
)
def test_missing_settings_are_named(first, text, missing):
    """If this fails, a paste that lacks a line is called an invalid pairing code."""
    assert missing_part(text) == missing
    outcome = first.json("setup", "--pairing-code-file", "-", given=text)
    assert [message["id"] for message in outcome["messages"]] == ["settings-incomplete"]
    assert missing in outcome["messages"][0]["text"] and outcome["exit_code"] == 6


@pytest.mark.parametrize("text", ["Secret agents sync.server too", "my secret = none of yours", "", "\n\n"])
def test_other_text_is_no_setting(text):
    """If this fails, a sentence with a word of the settings in it is asked for the rest of them."""
    assert missing_part(text) is None
    with pytest.raises(CommandStopped) as stopped:
        credentials_in(text)
    assert stopped.value.finding.problem in (Problem.PAIRING_CODE_INVALID, Problem.SETTINGS_INCOMPLETE)


@pytest.mark.parametrize(
    ("text", "peculiarity"),
    [
        (SECRET, None),
        (SECRET[:-1], "has 63 characters"),
        ("x", "has 1 character"),
        (SECRET.upper(), "has capital letters"),
        (f'"{SECRET}"', "has a quote in it"),
        (f"“{SECRET}”", "has a quote in it"),
        (f"Secret: {SECRET}", "has its label before it"),
        (SECRET_LINE, "has its label before it"),
        ("correct horse battery", "has a space in it"),
        ("********", "has only asterisks, which stand for the secret where it is not shown"),
        ("g" * 64, "has other characters"),
    ],
)
def test_a_secret_that_was_not_generated_is_described(text, peculiarity):
    """If this fails, a person is told that a secret is wrong, and not that a quote was copied with it."""
    assert secret_peculiarity(Secret(text)) == peculiarity


def test_a_script_is_told_of_a_peculiar_secret(first):
    """If this fails, a script's log has no hint at a secret that was copied with its quotes."""
    flags = ("--server-url", "http://127.0.0.1:1", "--client-id", ID, "--secret-file", "-")
    done = first.tcsync("setup", *flags, given=f'"{SECRET}"\n')
    assert "note: A generated secret is 64 characters 0-9 a-f; yours has a quote in it." in done.stdout
    assert SECRET not in done.stdout


def test_invisible_characters_are_dropped():
    """If this fails, an answer that looks right is refused for characters that nobody sees."""
    assert clean_text("\x1b[200~\ufeffy\u200b\x07\x1b[201~\x1b[A") == "y"


SERVER_QUESTION, COMPUTER_QUESTION = "Choose option [1]: ", "computer? [y/N]: "
CODE_QUESTION, MERGE_QUESTION = "Pairing code (or Enter", "on the server? [Y/n]: "

# Pastes at the question for the pairing code: of the code or of the settings.
PASTES = {
    "a code in two lines": "{code_1}\n{code_2}\n\n\n",
    "a code in two lines without an end": "Pairing code: “{code_1}\n> {code_2}”",
    "a mail": "\n\nHi Ada,\n\n> Pairing code:\n> {code_1}\n> {code_2}\n\ny\nyes\nYours, Grace\n\n",
    "settings": "\x1b[200~{settings}\n\n\n\x1b[201~",
}


@pytest.mark.parametrize("how", PASTES)
def test_a_paste_answers_the_question_for_the_code_and_no_other(server, paired, second, how):
    """If this fails, the lines after a pasted code agree to a merge that nobody has read of."""
    code, middle = paired.pair(), 60
    taskrc = paired.taskrc.read_text(encoding="utf-8").splitlines()
    settings = "\n".join(line for line in taskrc if line.startswith("sync."))
    second.add("Water plants")
    before = second.files()
    terminal = second.terminal("setup")
    terminal.answer(SERVER_QUESTION, "2")
    terminal.answer(COMPUTER_QUESTION, "y")
    pasted = PASTES[how].format(code_1=code[:middle], code_2=code[middle:], settings=settings)
    terminal.paste(CODE_QUESTION, pasted)
    if not pasted.endswith(("\n", "~")):
        terminal.answer("; add the rest, then press Enter: ", "")
    terminal.wait_for("The credentials fit: the server has 2 tasks (2 pending).")
    terminal.answer(MERGE_QUESTION, "n")
    assert terminal.end() == 10
    assert "[declined]" in terminal.screen and second.files() == before


def test_a_file_may_have_a_pasted_code_or_settings(paired, second):
    """If this fails, the files of `--pairing-code-file` are pickier than the question for the code."""
    code, taskrc = paired.pair(), paired.taskrc.read_text(encoding="utf-8")
    for text in (f"\ufeffPairing code:\r\n“{code[:60]}\r\n{code[60:]}”\r\n\r\nYours, Grace\r\n", taskrc):
        done = second.tcsync("export", "--pairing-code-file", "-", given=text)
        assert done.returncode == 0 and "Buy milk" in done.stdout, done.stderr


WRONG_PASTE = "y\n1\n\nhttps://sync.example.com\nyes\n2\n" * 5


def test_a_wrong_paste_answers_nothing(server, paired, second):
    """If this fails, thirty lines that were meant for another window choose a server, begin a history, or agree to a
    merge."""
    second.add("Water plants")
    before = second.files()
    terminal = second.terminal("setup")
    several = "Several lines came at once, so none of them was taken for an answer."
    for question, answer in {
        SERVER_QUESTION: "2",
        COMPUTER_QUESTION: "",
        "first of your computers to sync? [y/n]: ": "n",
        CODE_QUESTION: "",
        "Server URL: ": f"sync.server.url = {server.url}",
        "Client ID: ": f"sync.server.client_id={paired.json('show')['client_id']}",
    }.items():
        terminal.paste(question, WRONG_PASTE)
        terminal.wait_for("[fields-swapped]" if question == CODE_QUESTION else several)
        terminal.answer(question, answer)
    terminal.paste("Secret (not shown): ", f"{paired.secret()}\n{WRONG_PASTE}")
    terminal.paste(MERGE_QUESTION, "\n\n\n")
    terminal.wait_for(several)
    terminal.answer(MERGE_QUESTION, "n")
    assert terminal.end() == 10
    assert second.files() == before


class TestASecondHistory:
    """A second computer whose person only presses Enter."""

    def test_enter_alone_does_not_begin_one(self, second):
        """If this fails, two Enters on a second computer separate it from the first one, and nothing says so."""
        terminal = second.terminal("setup")
        terminal.answer(SERVER_QUESTION, "")
        terminal.wait_for("`tcsync pair` there shows them as a pairing code")
        terminal.answer(COMPUTER_QUESTION, "")
        terminal.wait_for("Computers that already sync do not see its tasks.")
        for answer in ("", "perhaps", "", "n"):
            terminal.answer("Is this the first of your computers to sync? [y/n]: ", answer)
        terminal.wait_for(CODE_QUESTION)
        terminal.close_input()
        assert terminal.end() == 130
        assert second.files() == {}

    def test_it_begins_where_a_person_says_so(self, server, first):
        """If this fails, a first computer cannot be set up after an Enter."""
        terminal = first.terminal("setup", "--server-url", server.url, "--dry-run")
        terminal.answer(COMPUTER_QUESTION, "")
        terminal.answer("to sync? [y/n]: ", "y")
        assert terminal.end() == 0
        assert f"set sync.server.url to {server.url}" in terminal.screen

    def test_yes_needs_a_flag_for_it(self, server, first):
        """If this fails, `--yes` on a second computer begins a second history."""
        flags = ("setup", "--yes", "--server-url", server.url, "--dry-run")
        done = first.tcsync(*flags)
        assert done.returncode == 2
        assert "Give --first-computer or --second-computer." in done.stdout and "[answer-needed]" in done.stdout
        assert first.tcsync(*flags, "--first-computer").returncode == 0


def test_lines_that_come_before_a_question_do_not_answer_it(server, paired, second):
    """If this fails, text that was typed while the setup fetched the history answers a question nobody has seen."""
    second.add("Water plants")
    terminal = second.terminal("setup")
    terminal.answer(SERVER_QUESTION, "2")
    terminal.answer(COMPUTER_QUESTION, "y")
    terminal.answer(CODE_QUESTION, paired.pair())
    terminal.paste("Fetching", "\n\n\n")
    terminal.answer(MERGE_QUESTION, "n")
    assert terminal.end() == 10
