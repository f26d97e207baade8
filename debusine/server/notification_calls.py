"""One call of a notification method: whatever a stranger's code does, it costs this call only."""

import asyncio
import logging
import traceback
from collections.abc import Mapping
from math import isfinite
from typing import Any

import attrs
from attrs import frozen

from debusine.domain.errors import Invalid
from debusine.domain.notifications import DeliveryOutcome, NotificationChannel
from debusine.domain.secrets import Secret
from debusine.plugin import Notification, NotificationMethod, PermanentFailure, Receipt, TemporaryFailure
from debusine.services.outbox import Tried

logger = logging.getLogger(__name__)

#: Characters of an error that is kept.
LONGEST = 500


class Quit(Exception):
    """A method wanted to end the whole process."""


@frozen
class Call:
    """A call that is under way."""

    method: NotificationMethod[Any]
    notification: Notification
    task: asyncio.Task[Receipt]

    @classmethod
    def begin(cls, method: NotificationMethod[Any], channel: NotificationChannel, notification: Notification) -> "Call":
        """Have a method send a notification."""
        task = asyncio.create_task(_send(method, channel, notification), name=f"notification method {method.name}")
        task.add_done_callback(_look)
        return cls(method, notification, task)

    async def end(self, seconds: float) -> Tried:
        """Wait for the end, at most this many seconds; a call that goes on is cancelled and left to itself."""
        await asyncio.wait({self.task}, timeout=seconds)
        if not self.task.done():
            self.task.cancel()
            error = f"The method did not come to an end within {seconds:g} seconds"
            logger.error("The notification method %s hangs: %s", self._named, error)
            return Tried(outcome=DeliveryOutcome.TIMEOUT, error=error)
        try:
            return self._judged(self.task.result())
        except TemporaryFailure as error:
            wait = _seconds(error.retry_after)
            return Tried(outcome=DeliveryOutcome.TEMPORARY, error=self._line(error.title), retry_after=wait)
        except PermanentFailure as error:
            return self._failed(self._line(error.title))
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - a stranger's code may raise anything
            told = "".join(traceback.format_exception(error))
            logger.error("The notification method %s failed: %s", self._named, hide_secrets(told, self.method.options))
            return Tried(
                outcome=DeliveryOutcome.BROKEN, error=self._line(f"The method failed: {type(error).__name__}: {error}")
            )

    def cancel(self) -> None:
        """Tell the method to stop; it may take its time."""
        self.task.cancel()

    def _judged(self, receipt: Receipt) -> Tried:
        if wrong := _wrong(receipt, self.notification.recipients):
            logger.error("The notification method %s returned nonsense: %s", self._named, wrong)
            return Tried(outcome=DeliveryOutcome.BROKEN, error=self._line(f"The method returned nonsense: {wrong}"))
        reached = (each for each in self.notification.recipients if each not in {**receipt.refused, **receipt.deferred})
        settled = {**dict.fromkeys(reached, ""), **self._reasons(receipt.refused)}
        if not receipt.deferred:
            return Tried(outcome=DeliveryOutcome.DELIVERED, settled=settled, error=self._told(receipt.refused))
        return Tried(outcome=DeliveryOutcome.PARTIAL, settled=settled, error=self._told(receipt.deferred))

    def _failed(self, error: str) -> Tried:
        settled = dict.fromkeys(self.notification.recipients, error)
        return Tried(outcome=DeliveryOutcome.PERMANENT, settled=settled, error=error)

    def _reasons(self, failures: Mapping[str, str]) -> dict[str, str]:
        return {recipient: self._line(reason) for recipient, reason in failures.items()}

    def _told(self, failures: Mapping[str, str]) -> str | None:
        told = "; ".join(f"{recipient}: {reason}" for recipient, reason in self._reasons(failures).items())
        return self._line(told) if told else None

    def _line(self, text: object) -> str:
        return one_line(hide_secrets(str(text), self.method.options))

    @property
    def _named(self) -> str:
        return f"{self.method.name} ({type(self.method).__module__})"


def one_line(text: str) -> str:
    """A text as a list can show it; never empty."""
    plain = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return (plain if len(plain) <= LONGEST else plain[:LONGEST] + "…") or "No reason was given"


def hide_secrets(text: str, options: Any) -> str:
    """A text without the secrets of these options, should a library have put one into an error."""
    fields = attrs.fields(type(options)) if attrs.has(type(options)) else ()
    for value in (getattr(options, field.name, None) for field in fields):
        if isinstance(value, Secret) and value.reveal():
            text = text.replace(value.reveal(), "…")
    return text


async def _send(method: NotificationMethod[Any], channel: NotificationChannel, notification: Notification) -> Receipt:
    try:
        return await method.send(channel, notification)
    except (SystemExit, KeyboardInterrupt) as error:  # the loop would let these end the server
        raise Quit(f"{type(error).__name__}: {error}") from error


def _look(task: asyncio.Task[Receipt]) -> None:
    """See the error also of a call that nobody waits for any more: else asyncio would complain about it."""
    if not task.cancelled():
        task.exception()


def _wrong(receipt: Any, recipients: tuple[str, ...]) -> str | None:
    if not isinstance(receipt, Receipt):
        return f"{receipt!r} is not a Receipt"
    both: tuple[Any, ...] = (receipt.refused, receipt.deferred)  # attrs does not look at types
    for failures in both:
        if not isinstance(failures, Mapping) or not all(isinstance(each, str) for each in failures.values()):
            return f"{failures!r} is not a mapping of recipients to reasons"
        if strangers := [each for each in failures if each not in recipients]:
            return f"the receipt names {strangers[0]!r}, who is not among the recipients"
    return None


def _seconds(retry_after: object) -> float:
    number = isinstance(retry_after, int | float) and isfinite(retry_after)
    return max(float(retry_after), 0.0) if number else 0.0  # type: ignore[arg-type]


def invalid(error: Invalid) -> Tried:
    """What became of a notification whose channel does not fit its method any more."""
    return Tried(outcome=DeliveryOutcome.PERMANENT, error=one_line(str(error)))
