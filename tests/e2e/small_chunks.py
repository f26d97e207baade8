"""Runs ``debusine`` with smaller chunks than usual, so that a file of some megabytes has several."""

from functools import partial

from debusine.cli.main import main
from debusine.client import artifact_files
from debusine.client.uploads import Upload

#: Bytes; more than S3's smallest part.
CHUNK = 6 << 20

if __name__ == "__main__":
    vars(artifact_files)["Upload"] = partial(Upload, chunk=CHUNK)
    main()
