"""How pytest-xdist deals the tests out; its own groups by a mark have no effect with the pytest of today."""

import pytest
from xdist.scheduler.loadscope import LoadScopeScheduling  # type: ignore[import-untyped]

from tests.ordering import share


class FileScheduling(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """Gives a process one file after the other, in the order in which they were collected."""

    def __init__(self, config: pytest.Config, log: object = None) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return share(nodeid)
