"""How a suite says what it expects: in a sentence for the plugin's author."""

import pytest


def require(condition: bool, message: str) -> None:
    """Fail the test with this sentence unless the condition holds."""
    __tracebackhide__ = True
    if not condition:
        pytest.fail(message)
