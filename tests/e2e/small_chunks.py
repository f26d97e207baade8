"""Runs ``debusine`` with smaller chunks than usual, so that a file of some megabytes has several."""

from functools import partial

from debusine.cli.main import main
from debusine.client import artifact_files

#: Bytes; more than S3's smallest part.
CHUNK = 6 << 20

if __name__ == "__main__":
    vars(artifact_files)["Upload"] = partial(artifact_files.Upload, chunk=CHUNK)
    main()
