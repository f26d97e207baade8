"""What the application and a request carry, under typed keys."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from debusine.config import Settings
from debusine.db.database import Database
from debusine.domain.accounts import Subject
from debusine.plugin import SchedulerPolicy, Task
from debusine.server.background import Background
from debusine.server.computing import Computing
from debusine.server.json_bodies import JSONBodies
from debusine.server.sender import Sender
from debusine.server.traffic import Traffic
from debusine.services.file_stores import FileStores
from debusine.services.notification_methods import Methods
from debusine.services.uploads import Uploads

SETTINGS = web.AppKey("settings", Settings)
DATABASE = web.AppKey("database", Database)
STORES = web.AppKey("stores", FileStores)
UPLOADS = web.AppKey("uploads", Uploads)
COMPUTING = web.AppKey("computing", Computing)
JSON_BODIES = web.AppKey("json bodies", JSONBodies)
#: Task name → class.
TASKS = web.AppKey("tasks", Mapping[str, type[Task[Any]]])

POLICY = web.AppKey("policy", SchedulerPolicy[Any])
#: The id of this process among the servers.
SERVER = web.AppKey("server", int)
BACKGROUND = web.AppKey("background", Background)
METHODS = web.AppKey("methods", Methods)
SENDER = web.AppKey("sender", Sender)

TRAFFIC = web.AppKey("traffic", Traffic)

#: By this the request is found in the log.
REQUEST_ID = web.RequestKey("request id", str)
#: Who asks; put there by the authentication middleware.
SUBJECT = web.RequestKey("subject", Subject)
