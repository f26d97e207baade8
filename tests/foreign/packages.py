"""What a client and a worker find out about Debian's packages, with Debian's own tools."""

import subprocess
from pathlib import Path
from typing import Any

Json = dict[str, Any]

#: Fields of a .dsc or .changes whose lines are files, and what each word of a line is.
LISTS = {
    "Files": ("md5sum", "size", "section", "priority", "name"),
    "Checksums-Sha1": ("sha1", "size", "name"),
    "Checksums-Sha256": ("sha256", "size", "name"),
    "Package-List": ("package", "package-type", "section", "priority", "_other"),
}
BINARIES = (".deb", ".udeb")


def fields(text: str) -> Json:
    """The fields of a paragraph, signed or not."""
    found: dict[str, str] = {}
    name = ""
    for line in _unsigned(text):
        if line[:1].isspace() and name:
            found[name] += "\n" + line
        elif ":" in line:
            name, _, value = line.partition(":")
            found[name] = value.strip()
    return {name: _listed(name, value) for name, value in found.items()}


def names(listing: Json) -> list[str]:
    """The files that a .dsc or .changes lists."""
    return [item["name"] for item in listing["Files"]]


def source_package(dsc: Path) -> tuple[Json, dict[str, Path]]:
    """The data and the files of a source package."""
    facts = fields(dsc.read_text())
    data = {"name": facts["Source"], "version": facts["Version"], "type": "dpkg", "dsc_fields": facts}
    return data, {name: dsc.parent / name for name in [dsc.name, *names(facts)]}


def binary_package(deb: Path) -> tuple[Json, dict[str, Path]]:
    """The data and the file of a binary package."""
    facts = fields(output("dpkg-deb", "-f", str(deb)))
    source, _, version = str(facts.get("Source", facts["Package"])).partition(" ")
    members = output("sh", "-c", 'dpkg-deb --ctrl-tarfile "$1" | tar -t', "sh", str(deb)).split()
    data = {
        "srcpkg_name": source,
        "srcpkg_version": version.strip("()") or facts["Version"],
        "deb_fields": facts,
        "deb_control_files": sorted(name.removeprefix("./") for name in members if name != "./"),
    }
    return data, {deb.name: deb}


def binary_packages(debs: list[Path], architecture: str) -> tuple[Json, dict[str, Path]]:
    """The packages of one architecture together."""
    facts = [binary_package(deb)[0] for deb in debs]
    data = {
        "srcpkg_name": facts[0]["srcpkg_name"],
        "srcpkg_version": facts[0]["srcpkg_version"],
        "version": facts[0]["deb_fields"]["Version"],
        "architecture": architecture,
        "packages": [each["deb_fields"]["Package"] for each in facts],
    }
    return data, {deb.name: deb for deb in debs}


def upload(changes: Path) -> tuple[Json, dict[str, Path]]:
    """The data and the files of an upload."""
    facts = fields(changes.read_text())
    data = {"type": "dpkg", "changes_fields": facts}
    return data, {name: changes.parent / name for name in [changes.name, *names(facts)]}


def output(*command: str) -> str:
    """What a command prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _unsigned(text: str) -> list[str]:
    lines = text.splitlines()
    if lines and lines[0].startswith("-----BEGIN PGP SIGNED"):
        lines = lines[lines.index("") + 1 : lines.index("-----BEGIN PGP SIGNATURE-----")]
    return [line for line in lines if line.strip()]


def _listed(name: str, value: str) -> Any:
    if name not in LISTS:
        return value
    rows = [row.split() for row in value.splitlines() if row.strip()]
    keys = LISTS[name]
    if rows and len(rows[0]) == 3:  # the files of a .dsc have neither section nor priority
        keys = (keys[0], "size", "name")
    return [dict(zip(keys, row, strict=False)) for row in rows]
