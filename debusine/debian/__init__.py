"""Debian's files (.dsc, .changes, .deb) as category data; python-debian stays in here."""

from debusine.debian.artifacts import DebianArtifact, binary_package, binary_packages, source_package, upload
from debusine.debian.control import read_changes, read_dsc, source_of
from debusine.debian.errors import MissingFile, NotADebianFile, UnreadablePackage, WrongFile
from debusine.debian.imports import artifacts_of, files_listed_by

__all__ = [
    "DebianArtifact",
    "MissingFile",
    "NotADebianFile",
    "UnreadablePackage",
    "WrongFile",
    "artifacts_of",
    "binary_package",
    "binary_packages",
    "files_listed_by",
    "read_changes",
    "read_dsc",
    "source_of",
    "source_package",
    "upload",
]
