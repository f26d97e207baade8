"""``debusine-worker --check``: what this machine can run."""

import pytest

from debusine.cli import worker
from debusine.tasks.blhc import Blhc
from debusine.tasks.noop import Noop


def test_a_task_of_other_workers_is_shown_and_is_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert worker.show_capabilities({"noop": Noop, "blhc": Blhc}) == 0

    shown = capsys.readouterr().out
    assert "yes" in shown
    assert "Only workers of another make run these tasks: blhc." in shown
