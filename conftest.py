"""Fixtures that the tests of plugins share with all others."""

pytest_plugins = ["tests.s3.fixtures"]
