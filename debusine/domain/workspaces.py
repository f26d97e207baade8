"""Workspaces: who sees what, and where its files are kept."""

from datetime import timedelta

from attrs import evolve, frozen

from debusine.domain.errors import NotFound

DEFAULT_WORKSPACE = "System"
DEFAULT_STORE = "Default"


@frozen(kw_only=True)
class Workspace:
    """A room of artifacts and work requests with its own file stores."""

    id: int
    name: str
    #: Whether anybody may read it without a token.
    public: bool = False
    #: How long artifacts stay unless they say otherwise; None: for ever.
    default_expiration_delay: timedelta | None = None
    default_file_store: int
    other_file_stores: tuple[int, ...] = ()

    @property
    def file_stores(self) -> tuple[int, ...]:
        """Every store whose files count as being in this workspace, the default one first."""
        return (self.default_file_store, *self.other_file_stores)

    def with_default_store(self, store: int) -> "Workspace":
        """New files go to another store; the one before stays in reach."""
        others = tuple(other for other in self.file_stores if other != store)
        return evolve(self, default_file_store=store, other_file_stores=others)

    def with_other_store(self, store: int) -> "Workspace":
        """Its files may be in one store more."""
        if store in self.file_stores:
            return self
        return evolve(self, other_file_stores=tuple(sorted((*self.other_file_stores, store))))

    def without_other_store(self, store: int) -> "Workspace":
        """Its files are not looked for in a store any more; the default one stays."""
        return evolve(self, other_file_stores=tuple(other for other in self.other_file_stores if other != store))


class WorkspaceNotFound(NotFound):
    """There is no workspace of this name, or not for this subject."""

    def __init__(self, name: str) -> None:
        super().__init__("Workspace not found", detail=f"There is no workspace {name!r}, or not for you")
