"""What the tests of the suites start from."""

from pathlib import Path

import pytest

from debusine.testing import Sources


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    return Sources(tmp_path)
