"""Workers in the database."""

from debusine.db import tables
from debusine.db.repository import Repository
from debusine.domain.workers import Worker


class WorkerRepository(Repository[Worker]):
    """Finds and keeps workers."""

    table = tables.workers
    noun = Worker
    title = "worker"
