"""What a backend can do beyond what all must: named, and told when the tests have run."""

from collections import defaultdict

import pytest


class Capabilities:
    """Which capabilities each test class has and lacks; as a plugin of pytest, tells it at the end."""

    def __init__(self) -> None:
        #: By the name of the class, then of the capability: why it is lacking; nothing when it is there.
        self.found: defaultdict[str, dict[str, str]] = defaultdict(dict)

    def note(self, suite: str, capability: str, reason: str) -> None:
        """Remember whether a class has a capability."""
        self.found[suite][capability] = reason

    def lines(self, suite: str) -> list[str]:
        """What a class has and what it lacks."""
        found = self.found[suite]
        there = sorted(capability for capability, reason in found.items() if not reason)
        lacking = sorted(f"  lacks {capability}: {reason}" for capability, reason in found.items() if reason)
        return [f"{suite} has {', '.join(there) or 'none'}", *lacking]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say it below the results."""
        terminalreporter.section("capabilities of file stores")
        for suite in sorted(self.found):
            for line in self.lines(suite):
                terminalreporter.line(line)


#: Of this test run.
CAPABILITIES = Capabilities()


def have_them_told(config: pytest.Config) -> None:
    """Add the capabilities to what pytest says at the end."""
    if not config.pluginmanager.is_registered(CAPABILITIES):
        config.pluginmanager.register(CAPABILITIES, "capabilities of file stores")
