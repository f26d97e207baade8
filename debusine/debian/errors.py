"""What can be wrong with Debian's files."""

from pathlib import Path

from debusine.domain.errors import Invalid


class UnreadablePackage(Invalid):
    """A file is not what its name says."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} cannot be read as a {path.suffix or 'Debian file'}", detail=reason)


class MissingFile(Invalid):
    """A file that a .dsc or .changes lists is not beside it."""

    def __init__(self, listing: Path, name: str) -> None:
        super().__init__(f"{listing} lists {name}, which is not in {listing.parent}")


class WrongFile(Invalid):
    """A file is not the one that a .dsc or .changes lists."""

    def __init__(self, listing: Path, name: str, reason: str) -> None:
        super().__init__(f"{name} is not the file that {listing} lists", detail=reason)


class NotADebianFile(Invalid):
    """The name of a file tells no kind that can be imported."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} cannot be imported", detail="its name must end with .changes, .dsc, .deb, .ddeb or .udeb"
        )
