"""The sources and keyrings of a new environment: while it is made, and afterwards inside it."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from attrs import frozen

from debusine.tasks.bootstrap_data import BootstrapData, BootstrapRepository

#: What the machine trusts: apt's own directory, and the keyrings of archives beside it.
TRUSTED = (("/etc/apt/trusted.gpg.d", "*"), ("/usr/share/keyrings", "*-archive-keyring.*"))

ARMOUR = b"-----BEGIN PGP"

#: mmdebstrap puts four digits before the name of a file with sources.
NAME = "debusine.sources"
INSTALLED_NAME = f"0000{NAME}"

KeyringChoice = Callable[[int, BootstrapRepository], str | None]


@frozen(kw_only=True)
class Sources:
    """Where packages come from."""

    data: BootstrapData
    #: Repository's number → its keyring, fetched.
    keyrings: Mapping[int, Path]

    def write(self, directory: Path) -> Path:
        """Write the sources that are used while the environment is made."""
        path = directory / NAME
        path.write_text("\n".join(self._stanza(*item, self._present_keyring) for item in self._numbered()))
        return path

    def write_overlay(self, directory: Path) -> Path:
        """Write what the finished environment gets: a tree of files below its root."""
        sources = directory / "etc/apt/sources.list.d" / INSTALLED_NAME
        sources.parent.mkdir(parents=True)
        sources.write_text("\n".join(self._stanza(*item, self._final_keyring) for item in self._numbered()))
        for number, repository in self._numbered():
            if repository.keyring is not None and repository.keyring.install:
                target = directory / self._installed_path(number).lstrip("/")
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(self.keyrings[number], target)
        return directory

    def _numbered(self) -> Sequence[tuple[int, BootstrapRepository]]:
        return list(enumerate(self.data.bootstrap_repositories))

    def _stanza(self, number: int, repository: BootstrapRepository, keyring: KeyringChoice) -> str:
        fields = {
            "Types": " ".join(repository.types),
            "URIs": repository.mirror,
            "Suites": repository.suite,
            "Components": " ".join(repository.effective_components),
            "Trusted": "yes" if repository.check_signature_with == "no-check" else "",
            "Signed-By": keyring(number, repository) or "",
        }
        return "".join(f"{name}: {value}\n" for name, value in fields.items() if value)

    def _present_keyring(self, number: int, repository: BootstrapRepository) -> str | None:
        return str(self.keyrings[number]) if repository.check_signature_with == "external" else None

    def _final_keyring(self, number: int, repository: BootstrapRepository) -> str | None:
        keyring = repository.keyring
        named = repository.check_signature_with == "external" and self.data.bootstrap_options.use_signed_by
        if not named or keyring is None:
            return None
        return self._installed_path(number) if keyring.install else keyring.machine_path

    def _installed_path(self, number: int) -> str:
        directory = "keyrings" if self.data.bootstrap_options.use_signed_by else "trusted.gpg.d"
        return f"/etc/apt/{directory}/debusine-{number}{self.keyrings[number].suffix}"


def collect_trusted_keys(directory: Path) -> Path:
    """Put copies of the keys that the machine trusts into one directory, which apt then takes for all it trusts."""
    directory.mkdir()
    for key in _trusted_keys():
        shutil.copyfile(key, directory / key.name)
    return directory


def with_fitting_name(keyring: Path) -> Path:
    """Rename a keyring so that apt reads it as what it is: armoured text or binary."""
    with keyring.open("rb") as stream:
        armoured = stream.read(len(ARMOUR)) == ARMOUR
    return keyring.rename(keyring.with_suffix(".asc" if armoured else ".gpg"))


def _trusted_keys() -> Iterator[Path]:
    for place, pattern in TRUSTED:
        yield from (path for path in sorted(Path(place).glob(pattern)) if path.suffix in {".gpg", ".asc"})
