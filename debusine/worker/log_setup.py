"""The worker's own log: to standard error and, if asked for, to a file; never with a secret in it."""

import logging
import sys
from pathlib import Path

from debusine.domain.secrets import Secret

FORMAT = "%(asctime)s %(levelname)s %(message)s"


class HideSecrets(logging.Filter):
    """Takes tokens out of everything that is logged."""

    def __init__(self) -> None:
        super().__init__()
        self._secrets: list[Secret] = []

    def add(self, secret: Secret) -> None:
        """Never show this."""
        self._secrets.append(secret)

    def filter(self, record: logging.LogRecord) -> bool:
        """Write the message out, and again without secrets if there are any."""
        text = logging.Formatter().format(record)
        if any(secret.reveal() in text for secret in self._secrets):
            for secret in self._secrets:
                text = text.replace(secret.reveal(), "…")
            record.msg, record.args, record.exc_info, record.exc_text, record.stack_info = text, None, None, None, None
        return True


def set_up_logging(level: str, file: Path | None) -> HideSecrets:
    """Begin to log; what is returned takes the secrets that come later."""
    hide = HideSecrets()
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if file is not None:
        handlers.append(logging.FileHandler(file, encoding="utf-8"))
    for handler in handlers:
        handler.setFormatter(logging.Formatter(FORMAT))
        handler.addFilter(hide)  # on the handler: it sees the records of all loggers
    logging.basicConfig(level=level, handlers=handlers, force=True)
    return hide
