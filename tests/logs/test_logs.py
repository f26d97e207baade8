"""Logs: a line for each event, and never a secret in it."""

import asyncio
import json
import logging
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debusine import logs
from debusine.domain.secrets import Secret, new_key
from debusine.logs import HIDDEN, JSONLines, LogFormat, TextLines

KEY = new_key()


class Written:
    """What a logger of its own has written in a form."""

    def __init__(self, formatter: logging.Formatter) -> None:
        self._stream = StringIO()
        handler = logging.StreamHandler(self._stream)
        handler.setFormatter(formatter)
        self.logger = logging.Logger("debusine.test", logging.DEBUG)
        self.logger.addHandler(handler)

    @property
    def text(self) -> str:
        return self._stream.getvalue()

    def object(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.text)
        return found


@pytest.fixture(params=[TextLines, JSONLines], ids=["text", "json"])
def written(request: pytest.FixtureRequest) -> Written:
    return Written(request.param())


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    """Each test begins with nothing to hide and nothing to tell."""
    logs.begin()
    yield
    logs.begin()
    logs._hidden.clear()


def fail(text: str) -> None:
    raise ValueError(text)


def test_a_key_is_hidden_wherever_it_stands(written: Written) -> None:
    logger = written.logger
    logger.info("a message with %s", KEY)
    logger.info(f"glued{KEY}together and {KEY.upper()}")  # noqa: G004
    logger.info("an argument %r", {"Token": KEY, b"bytes": KEY.encode()})
    logger.info("a fact", extra={"facts": {"fact": KEY}})
    logger.info("a stack", stack_info=True)
    try:
        fail(f"wrong {KEY}")
    except ValueError as first:
        logger.exception("failed")
        try:
            raise RuntimeError(KEY) from first
        except RuntimeError:
            logger.exception("failed again")
    with logs.about(context=KEY):
        logger.info("in a context")

    assert KEY not in written.text.lower()
    assert written.text.count(HIDDEN) >= 8


def test_what_came_with_a_request_is_hidden_whatever_it_looks_like(written: Written) -> None:
    logs.begin("abcd1234", request="r1")
    written.logger.info("abcd1234")
    logs.begin()
    written.logger.info("abcd1234")

    assert written.text.count("abcd1234") == 1


def test_a_word_that_came_with_a_request_is_hidden_once_it_is_known_to_be_a_key(written: Written) -> None:
    logs.begin("sesame.open")
    written.logger.info("asks with sesame.open")
    logs.hide_sent("sesame.open")
    written.logger.info("asks with sesame.open", extra={"facts": {"from": ["sesame.open"]}})

    assert written.text.count("sesame.open") == 1
    assert written.text.count(HIDDEN) == 2


@pytest.mark.parametrize("sent", ["debusine.test", "duration", "12345678", "GET /api/thing/ 200"])
def test_a_line_in_our_own_words_stays_as_it_is_whatever_came_with_the_request(sent: str) -> None:
    written = Written(JSONLines())
    logs.begin(request="r1")
    logs.hide_sent(sent)
    facts = {"duration": 12345678}
    written.logger.info("GET /api/thing/ 200", extra={"facts": facts, "own_words": True})

    line = written.object()
    assert (line["logger"], line["message"], line["duration"]) == ("debusine.test", "GET /api/thing/ 200", 12345678)


def test_a_secret_of_the_process_is_hidden_in_every_context(written: Written) -> None:
    logs.hide(Secret("hush-hush"))

    asyncio.run(_log(written.logger, "say hush-hush"))

    assert "hush-hush" not in written.text


async def _log(logger: logging.Logger, text: str) -> None:
    logger.info(text)


def test_the_password_of_an_address_is_hidden(written: Written) -> None:
    written.logger.info("cannot reach postgresql://farm:pa55w0rd@db.example.org/farm")

    assert "pa55w0rd" not in written.text
    assert "db.example.org" in written.text


def test_a_short_word_does_not_blot_out_the_log(written: Written) -> None:
    logs.begin("e")
    written.logger.info("everything is there")

    assert "everything is there" in written.text


def test_lines_tell_what_they_are_about() -> None:
    written = Written(JSONLines())
    logs.begin(request="r1")
    with logs.about(work_request=5, attempt=2):
        written.logger.warning("hello %s", "world", extra={"facts": {"duration": 0.5}})

    line = written.object()
    assert (line["message"], line["level"], line["logger"]) == ("hello world", "warning", "debusine.test")
    assert (line["request"], line["work_request"], line["attempt"], line["duration"]) == ("r1", 5, 2, 0.5)
    assert line["time"].endswith("Z")


def test_what_a_block_was_about_ends_with_it() -> None:
    written = Written(JSONLines())
    with logs.about(work_request=5):
        pass
    written.logger.info("after")

    assert "work_request" not in written.object()


def test_requests_at_one_time_have_their_own_facts() -> None:
    written = Written(JSONLines())

    async def serve(name: str) -> None:
        logs.begin(request=name)
        await asyncio.sleep(0)
        written.logger.info(name)

    async def both() -> None:
        await asyncio.gather(serve("a"), serve("b"))

    asyncio.run(both())

    lines = [json.loads(line) for line in written.text.splitlines()]
    assert [line["request"] == line["message"] for line in lines] == [True, True]


@given(st.text())
def test_nobody_writes_a_second_line_into_the_log(text: str) -> None:
    plain, as_json = Written(TextLines()), Written(JSONLines())
    for written in (plain, as_json):
        written.logger.info("said: %s", text)

    assert len(plain.text.splitlines()) == 1
    assert len(as_json.text.splitlines()) == 1
    assert as_json.object()["message"] == f"said: {text}" or HIDDEN in as_json.text


def test_a_traceback_cannot_pass_for_a_line_of_its_own() -> None:
    written = Written(TextLines())
    try:
        fail("first\n2026-01-01T00:00:00Z CRITICAL debusine: forged")
    except ValueError:
        written.logger.exception("failed")

    first, *below = written.text.splitlines()
    assert "failed" in first
    assert all(line.startswith("    ") for line in below)


PROGRAM = """
    import logging, sys, threading, warnings
    from debusine import logs
    logs.set_up(logs.LogFormat(sys.argv[1]))
    key = sys.stdin.readline().strip()
    warnings.warn(key)
    logging.getLogger("somebody.else").error("%s", key)
    thread = threading.Thread(target=lambda: 1 / int(key, 99), name="other")
    thread.start()
    thread.join()
    raise SystemError(key)
    """


@pytest.mark.parametrize("form", LogFormat)
def test_a_program_shows_no_key_however_it_ends(form: LogFormat) -> None:
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM), form.value]
    done = subprocess.run(command, input=KEY, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert KEY not in done.stderr + done.stdout
    assert done.stderr.count(HIDDEN) >= 3
    assert "SystemError" in done.stderr
    if form is LogFormat.JSON:
        assert [json.loads(line)["level"] for line in done.stderr.splitlines()].count("critical") == 2


def test_a_file_gets_the_same_lines(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    level = logging.getLogger().level
    try:
        logs.set_up(LogFormat.TEXT, "INFO", tmp_path / "log")
        logging.getLogger("debusine").info("here is %s", KEY)
    finally:
        logs.set_up(level=level)

    assert KEY not in capfd.readouterr().err
    assert KEY not in (tmp_path / "log").read_text()
    assert (tmp_path / "log").read_text().endswith(f"INFO debusine: here is {HIDDEN}\n")
