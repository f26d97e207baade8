"""Logs: a line for each event, as text or as JSON, with what it is about and never with a secret."""

import json
import logging
import re
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import TextIO

from debusine.domain.secrets import Secret


class LogFormat(StrEnum):
    """How lines are written: for people, or for programs."""

    TEXT = "text"
    JSON = "json"


#: In place of a secret.
HIDDEN = "[hidden]"

#: The keys that this project and its kin make; the hash of a file looks the same, and goes too.
_KEY = re.compile(r"[0-9A-Fa-f]{64,}")
_PASSWORD_IN_URL = re.compile(r"(?<=://)([^/@\s:]*):[^/@\s]+@")
#: A shorter "secret" would blot out half the log.
SHORTEST = 8
#: What is no longer than this and is made of letters may be a word of ours, which must stay.
_WORD = re.compile(r"[A-Za-z][A-Za-z._-]{0,14}")

#: What the lines of this context are about.
_facts: ContextVar[Mapping[str, object]] = ContextVar("facts", default={})  # noqa: B039 - never changed in place
#: Credentials that came with the request that is served in this context, whatever they look like.
_sent: ContextVar[str | None] = ContextVar("sent", default=None)
#: Secrets of this process.
_hidden: set[Secret] = set()
#: Those of the last ``set_up``.
_handlers: list[logging.Handler] = []


def set_up(format_: LogFormat = LogFormat.TEXT, level: str | int = logging.INFO, file: Path | None = None) -> None:
    """Write to standard error, and to a file if there is one; what is logged in other ways goes there, too."""
    handlers: list[logging.Handler] = [StandardError()]
    if file is not None:
        handlers.append(logging.FileHandler(file, encoding="utf-8"))
    root = logging.getLogger()
    for handler in _handlers:
        root.removeHandler(handler)
        handler.close()
    for handler in handlers:
        handler.setFormatter(JSONLines() if format_ is LogFormat.JSON else TextLines())
        root.addHandler(handler)
    _handlers[:] = handlers
    root.setLevel(level)
    _take_over()


def begin(sent: str | None = None, **facts: object) -> None:
    """Say what the lines of this context are about from now on, and which credentials must not be in them.

    Credentials that look like a word stay until ``hide_sent`` says that they are some.
    """
    _facts.set(facts)
    _sent.set(None)
    if sent is not None and not _WORD.fullmatch(sent):
        hide_sent(sent)


def hide_sent(sent: str) -> None:
    """Never show these credentials in what others say in this context; they open something, or look like it."""
    _sent.set(sent if len(sent) >= SHORTEST else None)


@contextmanager
def about(**facts: object) -> Iterator[None]:
    """Say what the lines of the block are about, beside what its context is about."""
    before = _facts.set({**_facts.get(), **facts})
    try:
        yield
    finally:
        _facts.reset(before)


def hide(secret: Secret) -> None:
    """Never show this secret in a line of this process."""
    _hidden.add(secret)


def without_sent(text: bytes) -> bytes:
    """JSON without the credentials that came with the request of this context."""
    sent = _sent.get()
    return text if sent is None else text.replace(json.dumps(sent)[1:-1].encode(), HIDDEN.encode())


def hidden(text: str, written: Callable[[str], str] = str) -> str:
    """The text without any secret of this process or key; ``written``: how one looks in the text."""
    for secret in _hidden:
        text = text.replace(written(secret.reveal()), HIDDEN)
    text = _KEY.sub(HIDDEN, text)
    return _PASSWORD_IN_URL.sub(rf"\1:{HIDDEN}@", text) if "://" in text else text


class StandardError(logging.StreamHandler[TextIO]):
    """Writes to whatever standard error is at the moment: a test may have put something else there."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        self.stream = sys.stderr
        super().emit(record)


class TextLines(logging.Formatter):
    """Lines for people; what belongs to a line and is longer is indented below it."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and perhaps a traceback."""
        facts = "".join(f" {name}={value}" for name, value in _facts_of(record).items())
        line = f"{_moment(record)} {record.levelname} {record.name}: {_message(record)}{facts}"
        more = _exception(record)
        below = "".join(f"\n    {_one_line(each)}" for each in more.splitlines()) if more else ""
        return hidden(_one_line(line) + below)


class JSONLines(logging.Formatter):
    """Lines for programs: an object each."""

    def format(self, record: logging.LogRecord) -> str:
        """One object."""
        values = {
            "time": _moment(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
            **_facts_of(record),
        }
        if more := _exception(record):
            values["exception"] = more
        # In ASCII: a line break of any script would end the line for some reader.
        return hidden(json.dumps(values, default=str), written=lambda secret: json.dumps(secret)[1:-1])


def _message(record: logging.LogRecord) -> str:
    message = record.getMessage()
    return message if _in_own_words(record) else _without_sent(message)


def _facts_of(record: logging.LogRecord) -> Mapping[str, object]:
    own: Mapping[str, object] = getattr(record, "facts", {})
    return {**_spared(_facts.get()), **(own if _in_own_words(record) else _spared(own))}


def _in_own_words(record: logging.LogRecord) -> bool:
    """Whether whoever wrote the line vouches that nothing in it was said by others."""
    return getattr(record, "own_words", False)


def _spared(facts: Mapping[str, object]) -> Mapping[str, object]:
    sent = _sent.get()
    return facts if sent is None else {name: _spared_fact(each, sent) for name, each in facts.items()}


def _spared_fact(fact: object, sent: str) -> object:
    # A number stays one: programs add them up.
    return str(fact).replace(sent, HIDDEN) if not isinstance(fact, int | float) and sent in str(fact) else fact


def _without_sent(text: str) -> str:
    sent = _sent.get()
    return text if sent is None else text.replace(sent, HIDDEN)


def _moment(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _exception(record: logging.LogRecord) -> str:
    parts = []
    if record.exc_info and record.exc_info[0] is not None:
        parts.append("".join(traceback.format_exception(*record.exc_info)).rstrip())
    if record.stack_info:
        parts.append(record.stack_info)
    return _without_sent("\n".join(parts))


def _one_line(text: str) -> str:
    """The text with every character visible that could make a second line or move a terminal's cursor."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def _take_over() -> None:
    """Have the log tell what Python would write to standard error itself, unless somebody else has seen to that."""
    warnings.showwarning = _log_warning
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _log_end
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = _log_thread_end


def _log_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: object = None,
    line: object = None,
) -> None:
    logging.getLogger("warnings").warning("%s:%s: %s: %s", filename, lineno, category.__name__, message)


def _log_end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("debusine").critical("The program ends by an error of its own", exc_info=(kind, error, trace))


def _log_thread_end(end: threading.ExceptHookArgs) -> None:
    if end.exc_value is not None:
        _log_end(end.exc_type, end.exc_value, end.exc_traceback)
