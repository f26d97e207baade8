"""Files in the database: contents, their places in artifacts and stores, and uploads in progress."""

from debusine.db import tables
from debusine.db.repository import Repository
from debusine.domain.files import File, FileInStore, FileUpload


class FileRepository(Repository[File]):
    """Finds and keeps contents by their hash and size."""

    table = tables.files
    noun = File
    title = "file"
    guards = ("state",)


class FileInStoreRepository(Repository[FileInStore]):
    """Finds and keeps the copies of files in stores."""

    table = tables.files_in_stores
    noun = FileInStore
    title = "stored file"


class UploadRepository(Repository[FileUpload]):
    """Finds and keeps uploads in progress."""

    table = tables.file_uploads
    noun = FileUpload
    title = "upload"
    guards = ("received",)
