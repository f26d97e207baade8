"""The built-in tasks; they use what a stranger's task may use, and are found in the same way."""

from collections.abc import Iterable
from typing import Any

from debusine.plugin import Task, hookimpl


@hookimpl
def debusine_tasks() -> Iterable[type[Task[Any]]]:
    """Yield the tasks that come with debusine."""
    from debusine.tasks.assemblesignedsource import AssembleSignedSource
    from debusine.tasks.autopkgtest import Autopkgtest
    from debusine.tasks.blhc import Blhc
    from debusine.tasks.debdiff import Debdiff
    from debusine.tasks.extractforsigning import ExtractForSigning
    from debusine.tasks.lintian import Lintian
    from debusine.tasks.makesourcepackageupload import MakeSourcePackageUpload
    from debusine.tasks.mergeuploads import MergeUploads
    from debusine.tasks.mmdebstrap import Mmdebstrap
    from debusine.tasks.noop import Noop
    from debusine.tasks.piuparts import Piuparts
    from debusine.tasks.sbuild import Sbuild
    from debusine.tasks.simplesystemimagebuild import SimpleSystemImageBuild

    yield from (Noop, Mmdebstrap, SimpleSystemImageBuild, Sbuild, MergeUploads, MakeSourcePackageUpload)
    yield from (Lintian, Autopkgtest, Piuparts, Blhc, Debdiff)
    yield from (ExtractForSigning, AssembleSignedSource)
