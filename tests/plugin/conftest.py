"""The packages of the how-to pages: each module of tests names its page."""

from pathlib import Path

import pytest

from tests.how_to import Environment, write_package


@pytest.fixture(scope="module")
def package(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the module's ``PAGE``, in a directory of their own."""
    return write_package(request.module.PAGE, tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="module")
def environment(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """A place where the page's package is installed."""
    environment = Environment.make(tmp_path_factory.mktemp("environment"))
    environment.install(package)
    return environment
