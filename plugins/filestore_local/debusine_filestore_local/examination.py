"""Whether a directory is fit for a store: what its file system does, and who may do something in it."""

import os
import stat
import subprocess
import time
from collections.abc import Callable

from debusine.plugin import Finding, Grade
from debusine_filestore_local.filesystem import FULL
from debusine_filestore_local.objects import Objects
from debusine_filestore_local.translation import user_name

#: As ``stat -f`` names them.
IN_MEMORY = {"tmpfs", "ramfs"}
ON_DISKS = {"bcachefs", "btrfs", "ext2/ext3", "f2fs", "jfs", "nilfs", "reiserfs", "xfs", "zfs"}

#: Less than this part being free is worth a word.
SPARE = 0.05


class Examination:
    """Looks at one directory; each question is a method, answered by a grade and what was seen."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects
        self.base = objects.base
        self.filesystem = objects.filesystem

    def findings(self) -> list[Finding]:
        """All answers; blocks for as long as the disk does."""
        questions = {
            "kind of file system": self.kind,
            "fsync": self.syncing,
            "hard links": self.links,
            "space": self.space,
            "rights": self.rights,
        }
        return [_answered(what, question) for what, question in questions.items()]

    def kind(self) -> tuple[Grade, str]:
        """Whether the file system keeps anything."""
        command = ["stat", "-f", "-c", "%T", str(self.base)]
        asked = subprocess.run(command, capture_output=True, text=True, check=False)
        name = asked.stdout.strip() or "unknown"
        if name in IN_MEMORY:
            return Grade.WRONG, f"{name} is memory: a power cut takes all files; move the directory to a disk"
        if name in ON_DISKS:
            return Grade.GOOD, name
        return Grade.LACKING, f"{name}: whether files survive a power cut is for whoever runs it to say"

    def syncing(self) -> tuple[Grade, str]:
        """Whether a file and its name can be had on the disk, and how long that takes."""
        path, start = self.objects.trial(), time.monotonic()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            self.filesystem.write(descriptor, memoryview(b"?"))
            self.filesystem.sync(descriptor)
            self.filesystem.sync_directory(self.objects.incoming)
        finally:
            os.close(descriptor)
            self.filesystem.unlink(path)
        return Grade.GOOD, f"a file and its name were on the disk after {(time.monotonic() - start) * 1000:.1f} ms"

    def links(self) -> tuple[Grade, str]:
        """Whether an upload that lies on the same file system can become an object without a copy."""
        first, second = self.objects.trial(), self.objects.trial()
        first.touch(mode=0o600, exist_ok=False)
        try:
            self.filesystem.link(first, second)
            self.filesystem.unlink(second)
        except OSError as error:
            return Grade.LACKING, f"{error.strerror}: each upload is copied"
        finally:
            self.filesystem.unlink(first)
        return Grade.GOOD, "uploads on the same file system are not copied"

    def space(self) -> tuple[Grade, str]:
        """Whether there is room for more, in bytes and in files."""
        found = os.statvfs(self.base)
        free = f"{found.f_bavail * found.f_frsize >> 20} MiB free"
        if found.f_files:  # some file systems make inodes as they go
            free += f", {found.f_favail} inodes free"
        scarce = found.f_bavail < SPARE * found.f_blocks or found.f_favail < SPARE * found.f_files
        return (Grade.LACKING, f"{free}: it is nearly full") if scarce else (Grade.GOOD, free)

    def rights(self) -> tuple[Grade, str]:
        """Whether only this server can change what is kept."""
        found = self.base.stat()
        mode, owner = stat.S_IMODE(found.st_mode), user_name(found.st_uid)
        seen = f"it belongs to {owner} and has the mode {mode:04o}"
        advice = f"{seen}; run: install -d -o {user_name(os.geteuid())} -m 700 {self.base}"
        if mode & stat.S_IWOTH:
            return Grade.WRONG, f"everybody may change what is kept: {advice}"
        if found.st_uid != os.geteuid() or mode & (stat.S_IRWXG | stat.S_IRWXO):
            return Grade.LACKING, f"others may see or change what is kept: {advice}"
        return Grade.GOOD, seen


def _answered(what: str, question: Callable[[], tuple[Grade, str]]) -> Finding:
    try:
        grade, detail = question()
    except OSError as error:  # a full disk is no reason not to rely on what is on it
        grade, detail = Grade.LACKING if error.errno in FULL else Grade.WRONG, error.strerror or str(error)
    return Finding(what=what, grade=grade, detail=detail)
