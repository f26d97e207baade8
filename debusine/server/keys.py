"""What the application and a request carry, under typed keys."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from debusine.config import Settings
from debusine.db.database import Database
from debusine.domain.accounts import Subject
from debusine.plugin import Task
from debusine.services.file_stores import FileStores

SETTINGS = web.AppKey("settings", Settings)
DATABASE = web.AppKey("database", Database)
STORES = web.AppKey("stores", FileStores)
#: Task name → class.
TASKS = web.AppKey("tasks", Mapping[str, type[Task[Any]]])

#: Who asks; put there by the authentication middleware.
SUBJECT = web.RequestKey("subject", Subject)
