"""How a build went, by the summary at the end of sbuild's log and by its exit status."""

import re
from pathlib import Path

from attrs import frozen

from debusine.plugin import Result

#: Bytes at the end of a log that hold the summary for sure.
TAIL = 1 << 16

#: Where a build stops because of the package; anywhere else it is the machine's fault.
STAGES_OF_THE_PACKAGE = frozenset(
    {
        "arch-check",
        "build",
        "check-architecture",
        "check-unpacked-version",
        "dpkg-buildpackage",
        "explain-bd-uninstallable",
        "fetch-src",
        "hack-binNMU",
        "install-deps",
        "parse-changes",
        "unpack",
    }
)

#: Exit status: the build failed, its dependencies cannot be installed.
ATTEMPTED = 2
GIVEN_BACK = 3


@frozen(kw_only=True)
class BuildSummary:
    """What sbuild says at the end of its log; None where it does not."""

    status: str | None = None
    fail_stage: str | None = None

    @classmethod
    def read(cls, log: Path) -> "BuildSummary":
        """Read the summary; what a build printed before cannot stand in for it, because the last word counts."""
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - TAIL))
            text = stream.read().decode(errors="replace")
        return cls(status=_last("Status", text), fail_stage=_last("Fail-Stage", text))

    def result(self, returncode: int) -> Result:
        """Success, the package's failure, or the machine's error."""
        if returncode == 0:
            return Result.SUCCESS if self.status == "successful" else Result.FAILURE
        if returncode in {ATTEMPTED, GIVEN_BACK} or (returncode == 1 and self.fail_stage in STAGES_OF_THE_PACKAGE):
            return Result.FAILURE
        return Result.ERROR


def _last(key: str, text: str) -> str | None:
    found = re.findall(rf"^{key}: (\S+)$", text, re.MULTILINE)
    return found[-1] if found else None
