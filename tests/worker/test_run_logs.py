"""Logs that cannot grow without bound."""

from pathlib import Path

import pytest

from debusine.worker import run_logs
from debusine.worker.run_logs import RunLog

LIMIT = 64 * 1024


@pytest.fixture
def log(tmp_path: Path) -> RunLog:
    return RunLog(tmp_path / "build.log", limit=LIMIT)


def append(log: RunLog, text: bytes) -> None:
    with log.path.open("ab") as stream:
        stream.write(text)


def test_a_log_below_the_limit_stays_as_it_is(log: RunLog) -> None:
    append(log, b"x" * LIMIT)
    log.check()
    log.finish()
    assert log.path.read_bytes() == b"x" * LIMIT


def test_a_log_that_was_never_written_is_no_error(log: RunLog) -> None:
    log.check()
    log.finish()
    assert not log.path.exists()


def test_the_beginning_and_the_end_of_a_long_log_are_kept_with_a_marker_between(log: RunLog) -> None:
    append(log, b"first line\n")
    for _ in range(20):
        append(log, b"x" * LIMIT)
        log.check()
    append(log, b"\nStatus: successful\n")
    log.finish()
    text = log.path.read_bytes()
    assert text.startswith(b"first line\n")
    assert text.endswith(b"\nStatus: successful\n")
    assert text.count(b"bytes are left out here") == 1
    assert len(text) < LIMIT + 200
    assert b"\0" not in text


def test_a_log_uses_little_disk_while_it_grows(log: RunLog) -> None:
    for _ in range(50):
        append(log, b"x" * LIMIT)
        log.check()
    if log.path.stat().st_size < 50 * LIMIT:
        pytest.skip("the file system of the tests knows no holes")
    assert log.path.stat().st_blocks * 512 <= 2 * LIMIT


def test_the_beginning_is_kept_where_the_file_system_knows_no_holes(
    log: RunLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(run_logs, "_punch_hole", refuse)
    append(log, b"first line\n")
    for _ in range(5):
        append(log, b"x" * LIMIT)
        log.check()
    log.finish()
    text = log.path.read_bytes()
    assert text.startswith(b"first line\n")
    assert b"bytes are left out here" in text
    assert len(text) <= LIMIT


def test_one_byte_too_many_is_cut_like_any_other(log: RunLog) -> None:
    append(log, b"x" * (LIMIT + 1) + b"end")
    log.finish()
    text = log.path.read_bytes()
    assert b"128 bytes are left out here" in text
    assert text.endswith(b"xend")
    assert len(text) <= LIMIT


def test_a_log_that_grows_again_after_it_was_cut_is_cut_again(log: RunLog) -> None:
    append(log, b"x" * 3 * LIMIT)
    log.finish()
    append(log, b"y" * 3 * LIMIT)
    log.finish()
    assert log.path.stat().st_size < LIMIT + 200
