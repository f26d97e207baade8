"""``on-work-request-completed``, as its users see it."""

import json
from pathlib import Path

import pytest

from debusine.client import watching
from debusine.protocol.messages import Text, rejection, say
from tests.cli.client.running import Farm

COMMAND = "on-work-request-completed"
CONNECTED = say(Text.CONNECTED)
#: A command never ends by itself: the server sends it away.
THE_END = [rejection("That is all")]


def ended(number: int, second: int, result: str = "success") -> dict[str, object]:
    moment = f"2026-11-24T01:02:{second:02}.5Z"
    return say(Text.WORK_REQUEST_COMPLETED, work_request_id=number, completed_at=moment, result=result)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "pause", lambda: 0.0)


@pytest.fixture
def note() -> Path:
    """A command that writes down its arguments, and fails when the result is not success."""
    script = Path("note")
    script.write_text('#!/bin/sh\necho "$@" >> noted\n[ "$4" = success ]\n')
    script.chmod(0o755)
    return script


def kept() -> dict[str, object]:
    found: dict[str, object] = json.loads(Path("heard.json").read_text())
    return found


def test_the_command_runs_for_each_and_the_file_says_how_far_it_is(farm: Farm, note: Path) -> None:
    Path("heard.json").write_text('{"last_completed_at": "2026-11-24T01:02:01.5Z"}')
    farm.server.said = [[CONNECTED, ended(3, 2), ended(5, 3, "failure")], THE_END]
    options = ["--workspace", "A", "B", "--last-completed-at", "heard.json"]
    result = farm.run(COMMAND, *options, "--", "./note", "-x", "--workspace")

    assert Path("noted").read_text() == "-x --workspace 3 success\n-x --workspace 5 failure\n"
    assert kept() == {"last_completed_at": "2026-11-24T01:02:03.500000Z", "work_requests": [5]}
    assert result.stderr.splitlines() == [
        "Connected.",
        "./note ended with status 1 for work request 5.",
        "The server does not tell of completed work requests: That is all",
    ]
    assert (result.exit_code, result.stdout) == (3, "")
    asked = [seen.path.partition("?")[2] for seen in farm.server.requests("GET", "on-completed")]
    assert asked == [
        f"workspaces=A%2CB&completed_at_since=2026-11-24T01%3A02%3A0{second}.500000%2B00%3A00" for second in (1, 3)
    ]


def test_options_may_stand_behind_the_command(farm: Farm, note: Path) -> None:
    farm.server.said = [[CONNECTED, ended(3, 2)], THE_END]
    farm.run(COMMAND, "./note", "one", "--silent", "--workspace", "A")
    assert Path("noted").read_text() == "one 3 success\n"


def test_a_file_that_is_not_there_is_begun(farm: Farm, note: Path) -> None:
    farm.server.said = [[CONNECTED], THE_END]
    result = farm.run(COMMAND, "--last-completed-at", "heard.json", "./note")
    assert "There is no heard.json yet: it begins with what ends from now on." in result.stderr
    assert kept()["last_completed_at"] is not None
    assert [path.name for path in Path().iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "it is not JSON"),
        ("{", "it is not JSON"),
        ("[]", "it holds no JSON object"),
        ('{"last_completed_at": "yesterday"}', "'yesterday' is not a moment"),
        ('{"last_completed_at": 5}', "5 is not a moment"),
        ('{"last_completed_at": "2026-11-24T01:02:03"}', "'2026-11-24T01:02:03' has no time zone"),
    ],
)
def test_a_broken_file_is_one_sentence_and_stays_as_it_is(farm: Farm, note: Path, content: str, reason: str) -> None:
    Path("heard.json").write_text(content)
    result = farm.run(COMMAND, "--last-completed-at", "heard.json", "./note")
    assert (result.exit_code, len(result.stderr.splitlines())) == (3, 1)
    assert result.stderr.startswith("heard.json does not tell since when to go on: ")
    assert reason in result.stderr or reason == "it is not JSON"
    assert Path("heard.json").read_text() == content
    assert farm.server.seen == []


def test_a_file_that_cannot_be_written_ends_it_before_a_command_has_run(farm: Farm, note: Path) -> None:
    farm.server.said = [[CONNECTED, ended(3, 2)]]
    result = farm.run(COMMAND, "--last-completed-at", "nowhere/heard.json", "./note")
    assert (result.exit_code, Path("noted").exists()) == (3, False)
    assert "nowhere/heard.json cannot be used: No such file or directory" in result.stderr


def test_a_command_that_is_not_there_is_told_before_anything_else(farm: Farm) -> None:
    Path("plain").write_text("no program")
    for command in ("./nothing", "nothing-of-that-name", "./plain"):
        result = farm.run(COMMAND, command)
        assert (result.exit_code, farm.server.seen) == (3, [])
        assert result.stderr == f"There is no command {command}; give its path, or the name of a program in PATH\n"


def test_a_command_that_does_not_start_is_told_and_nothing_counts_as_heard(farm: Farm, note: Path) -> None:
    note.write_text("#!/no/such/interpreter\n")
    farm.server.said = [[CONNECTED, ended(3, 2)]]
    result = farm.run(COMMAND, "--last-completed-at", "heard.json", "./note")
    assert (result.exit_code, kept()["work_requests"]) == (3, [])
    assert "./note cannot be run: No such file or directory" in result.stderr


def test_a_refusal_is_one_sentence(farm: Farm, note: Path) -> None:
    farm.server.said = [[rejection("There is no workspace X")]]
    result = farm.run(COMMAND, "./note", "--workspace", "X")
    assert result.exit_code == 3
    assert result.stderr == "The server does not tell of completed work requests: There is no workspace X\n"
