"""The rules for task_data, as a submission meets them."""

from typing import Any

import pytest

from debusine.plugin import InvalidFields, structure
from debusine.tasks.bootstrap_data import BootstrapData
from debusine.tasks.lintian_data import LintianData
from debusine.tasks.noop import NoopData
from debusine.tasks.sbuild_data import SbuildData
from tests.task_examples import means_the_same_again

SBUILD = {"input": {"source_artifact": 1}, "host_architecture": "amd64", "environment": 2}
LINTIAN = {"input": {"source_artifact": 1}}
OPTIONS = {"architecture": "amd64"}
REPOSITORY = {"mirror": "http://mirror.example/debian", "suite": "bookworm"}
BOOTSTRAP = {"bootstrap_options": OPTIONS, "bootstrap_repositories": [REPOSITORY]}
KEYRING = {"url": "https://example.org/key.asc"}


def with_repository(**facts: Any) -> dict[str, Any]:
    return {**BOOTSTRAP, "bootstrap_repositories": [{**REPOSITORY, **facts}]}


def with_options(**facts: Any) -> dict[str, Any]:
    return {**BOOTSTRAP, "bootstrap_options": {**OPTIONS, **facts}}


def extra(**facts: Any) -> dict[str, Any]:
    repository = {"url": "http://example.org/debian", "suite": "sid", "components": ["main"]}
    return {**SBUILD, "extra_repositories": [{**repository, **facts}]}


BINNMU = {"changelog": "Rebuild", "suffix": "+b1"}


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (NoopData, {}),
        (NoopData, {"result": False, "task_configuration": None}),
        (SbuildData, SBUILD),
        (SbuildData, {**SBUILD, "environment": "debian/match:codename=bookworm", "build_components": ["any", "all"]}),
        (SbuildData, {**SBUILD, "input": {"source_artifact": "5@artifacts", "extra_binary_artifacts": [1, "2", {}]}}),
        (SbuildData, {**SBUILD, "binnmu": BINNMU, "build_profiles": ["nocheck", "pkg.hello.x"]}),
        (SbuildData, {**SBUILD, "binnmu": {**BINNMU, "timestamp": "2026-01-01T00:00:00Z", "maintainer": "A <a@b>"}}),
        (SbuildData, {**SBUILD, "backend": "qemu", "build_dep_resolver": "aspcud", "aspcud_criteria": "-new"}),
        (SbuildData, extra()),
        (SbuildData, extra(suite="./", components=None, signing_key="KEY")),
        (LintianData, LINTIAN),
        (LintianData, {"input": {"binary_artifacts": [1]}, "environment": 3, "fail_on_severity": "none"}),
        (LintianData, {**LINTIAN, "target_distribution": "kali:rolling", "include_tags": ["a-b"], "exclude_tags": []}),
        (LintianData, {**LINTIAN, "output": {"source_analysis": False}}),
        (BootstrapData, BOOTSTRAP),
        (BootstrapData, with_options(variant="-", extra_packages=["hello"], use_signed_by=False)),
        (BootstrapData, with_repository(suite="./", types=["deb", "deb-src"], check_signature_with="no-check")),
        (BootstrapData, with_repository(check_signature_with="external", keyring=KEYRING)),
        (BootstrapData, with_repository(keyring={"url": "file:///usr/share/keyrings/debian-archive-keyring.gpg"})),
        (BootstrapData, with_repository(keyring={"url": "file:///usr/local/share/keyrings/farm/key.gpg"})),
        (BootstrapData, with_options(extra_packages=["g++", "libc6:i386", "hello=1:2.10-3~x", "hello/sid"])),
        (BootstrapData, {**BOOTSTRAP, "customization_script": "touch $1/x"}),
    ],
)
def test_what_the_protocol_allows_is_accepted(kind: type[Any], data: dict[str, Any]) -> None:
    assert means_the_same_again(structure(data, kind))


@pytest.mark.parametrize(
    ("kind", "data", "path"),
    [
        (NoopData, {"result": "false"}, "result"),
        (NoopData, {"reslut": True}, "non_field_errors"),
        (NoopData, {"task_configuration": True}, "task_configuration"),
        (SbuildData, {**SBUILD, "environment": None}, "environment"),
        (SbuildData, {**SBUILD, "environment": 0}, "environment"),
        (SbuildData, {key: value for key, value in SBUILD.items() if key != "host_architecture"}, "host_architecture"),
        (SbuildData, {**SBUILD, "host_architecture": "AMD 64"}, "host_architecture"),
        (SbuildData, {**SBUILD, "build_components": ["none"]}, "build_components[0]"),
        (SbuildData, {**SBUILD, "build_components": []}, "build_components"),
        (SbuildData, {**SBUILD, "build_components": ["all"], "binnmu": BINNMU}, "non_field_errors"),
        (SbuildData, {**SBUILD, "binnmu": {**BINNMU, "maintainer": "nobody"}}, "binnmu.maintainer"),
        (SbuildData, {**SBUILD, "binnmu": {**BINNMU, "maintainer": "(" * 60_000}}, "binnmu.maintainer"),
        (SbuildData, {**SBUILD, "binnmu": {**BINNMU, "maintainer": "A <a@" + "b" * 400 + ">"}}, "binnmu.maintainer"),
        (SbuildData, {**SBUILD, "binnmu": {**BINNMU, "timestamp": "yesterday"}}, "binnmu.timestamp"),
        (SbuildData, {**SBUILD, "build_profiles": ["a,b"]}, "build_profiles"),
        (SbuildData, {**SBUILD, "backend": "docker"}, "backend"),
        (SbuildData, {**SBUILD, "build_dep_resolver": "null"}, "build_dep_resolver"),
        (SbuildData, extra(components=None), "extra_repositories[0]"),
        (SbuildData, extra(suite="./"), "extra_repositories[0]"),
        (SbuildData, extra(url="example.org"), "extra_repositories[0].url"),
        (SbuildData, extra(url="http://example.org/ sid main"), "extra_repositories[0].url"),
        (SbuildData, extra(suite="sid;x"), "extra_repositories[0].suite"),
        (LintianData, {"input": {}}, "input"),
        (LintianData, {**LINTIAN, "fail_on_severity": "fatal"}, "fail_on_severity"),
        (LintianData, {**LINTIAN, "target_distribution": "sid"}, "target_distribution"),
        (LintianData, {**LINTIAN, "include_tags": ["--help"]}, "include_tags"),
        (LintianData, {**LINTIAN, "output": {"any": True}}, "output"),
        (BootstrapData, {**BOOTSTRAP, "bootstrap_repositories": []}, "bootstrap_repositories"),
        (BootstrapData, with_options(variant="tiny"), "bootstrap_options.variant"),
        (BootstrapData, with_options(extra_packages=["--help"]), "bootstrap_options.extra_packages"),
        (BootstrapData, with_options(extra_packages=["hello,sl"]), "bootstrap_options.extra_packages"),
        (BootstrapData, with_options(architecture="a" * 64), "bootstrap_options.architecture"),
        (BootstrapData, with_repository(mirror="mirror.example"), "bootstrap_repositories[0].mirror"),
        (BootstrapData, with_repository(types=[]), "bootstrap_repositories[0].types"),
        (BootstrapData, with_repository(components=["main", "main"]), "bootstrap_repositories[0]"),
        (BootstrapData, with_repository(check_signature_with="external"), "bootstrap_repositories[0]"),
        (
            BootstrapData,
            with_repository(keyring={"url": "file:///etc/shadow"}),
            "bootstrap_repositories[0].keyring.url",
        ),
        (
            BootstrapData,
            with_repository(keyring={"url": "file:///usr/share/keyrings/../../../etc/shadow"}),
            "bootstrap_repositories[0].keyring.url",
        ),
        (
            BootstrapData,
            with_repository(keyring={**KEYRING, "sha256sum": "abc"}),
            "bootstrap_repositories[0].keyring.sha256sum",
        ),
    ],
)
def test_what_the_protocol_forbids_is_refused_with_its_path(kind: type[Any], data: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidFields) as caught:
        structure(data, kind)
    assert list(caught.value.validation_errors or {}) == [path]
