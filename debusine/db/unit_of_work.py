"""One transaction's view of the farm: the repositories, the moment, and what it will tell when it is committed."""

from datetime import datetime
from functools import cached_property

import sqlalchemy as sa

from debusine.db.accounts import TokenRepository, UserRepository
from debusine.db.artifacts import ArtifactRepository, RelationRepository
from debusine.db.attempts import AttemptRepository
from debusine.db.completions import CompletionRepository
from debusine.db.copies import FileInStoreRepository, SetAsideCopyRepository
from debusine.db.counts import CountRepository
from debusine.db.file_stores import FileStoreRepository
from debusine.db.files import FileRepository
from debusine.db.files_in_artifacts import FileInArtifactRepository, UploadRepository
from debusine.db.notifications import ChannelRepository, DeliveryRepository, OutboxRepository
from debusine.db.parted_uploads import PartedUploadRepository
from debusine.db.queues import QueueRepository
from debusine.db.servers import ServerRepository
from debusine.db.work_requests import WorkRequestRepository
from debusine.db.workers import WorkerRepository
from debusine.db.workspaces import WorkspaceRepository
from debusine.domain.events import Event


class UnitOfWork:
    """What a transaction function gets first: it returns and all is committed, it raises and nothing has happened.

    The function may be run again from its start, so it has no effect but through this.
    """

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self.connection = connection
        #: The one moment of the whole transaction.
        self.now = now
        self.events: list[Event] = []

    def publish(self, event: Event) -> None:
        """Tell of something, once it is on disk and only then."""
        self.events.append(event)

    @cached_property
    def artifacts(self) -> ArtifactRepository:
        """Artifacts."""
        return ArtifactRepository(self.connection)

    @cached_property
    def relations(self) -> RelationRepository:
        """Relations between artifacts."""
        return RelationRepository(self.connection)

    @cached_property
    def files(self) -> FileRepository:
        """Contents, by hash."""
        return FileRepository(self.connection)

    @cached_property
    def files_in_artifacts(self) -> FileInArtifactRepository:
        """Files in artifacts, by path."""
        return FileInArtifactRepository(self.connection)

    @cached_property
    def stored_files(self) -> FileInStoreRepository:
        """Copies of files in stores."""
        return FileInStoreRepository(self.connection)

    @cached_property
    def uploads(self) -> UploadRepository:
        """Uploads in progress."""
        return UploadRepository(self.connection)

    @cached_property
    def parted_uploads(self) -> PartedUploadRepository:
        """What stores have of uploads in progress."""
        return PartedUploadRepository(self.connection)

    @cached_property
    def set_aside(self) -> SetAsideCopyRepository:
        """Objects that do not count as copies any more."""
        return SetAsideCopyRepository(self.connection)

    @cached_property
    def file_stores(self) -> FileStoreRepository:
        """File stores."""
        return FileStoreRepository(self.connection)

    @cached_property
    def workspaces(self) -> WorkspaceRepository:
        """Workspaces."""
        return WorkspaceRepository(self.connection)

    @cached_property
    def work_requests(self) -> WorkRequestRepository:
        """Work requests."""
        return WorkRequestRepository(self.connection)

    @cached_property
    def completions(self) -> CompletionRepository:
        """The ends of work requests, in order."""
        return CompletionRepository(self.connection)

    @cached_property
    def attempts(self) -> AttemptRepository:
        """Attempts at work requests."""
        return AttemptRepository(self.connection)

    @cached_property
    def queues(self) -> QueueRepository:
        """What waits, by demand and workspace."""
        return QueueRepository(self.connection)

    @cached_property
    def counts(self) -> CountRepository:
        """Numbers."""
        return CountRepository(self.connection)

    @cached_property
    def servers(self) -> ServerRepository:
        """Server processes."""
        return ServerRepository(self.connection)

    @cached_property
    def workers(self) -> WorkerRepository:
        """Workers."""
        return WorkerRepository(self.connection)

    @cached_property
    def users(self) -> UserRepository:
        """Users."""
        return UserRepository(self.connection)

    @cached_property
    def tokens(self) -> TokenRepository:
        """Tokens."""
        return TokenRepository(self.connection)

    @cached_property
    def channels(self) -> ChannelRepository:
        """Notification channels."""
        return ChannelRepository(self.connection)

    @cached_property
    def outbox(self) -> OutboxRepository:
        """What is on its way to people."""
        return OutboxRepository(self.connection)

    @cached_property
    def deliveries(self) -> DeliveryRepository:
        """Tries to deliver it."""
        return DeliveryRepository(self.connection)
