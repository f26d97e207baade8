"""The suite that says whether a file store backend conforms."""

from debusine.testing.file_stores.failing import Failing
from debusine.testing.file_stores.fetching import Fetching
from debusine.testing.file_stores.interrupting import Interrupting
from debusine.testing.file_stores.large import Large
from debusine.testing.file_stores.parts import Parts
from debusine.testing.file_stores.places import Places
from debusine.testing.file_stores.reading import Reading
from debusine.testing.file_stores.removing import Removing
from debusine.testing.file_stores.resources import Resources
from debusine.testing.file_stores.storing import Storing


class FileStoreConformance(
    Storing, Reading, Removing, Parts, Interrupting, Failing, Large, Places, Fetching, Resources
):
    """Says whether a backend conforms: inherit it and define the fixture ``backend``.

    .. code-block:: python

        class TestTapeStore(FileStoreConformance):
            @pytest.fixture
            def backend(self, tmp_path):
                return TapeStore(TapeOptions(base_directory=tmp_path))

    The fixture may be asynchronous (with ``pytest_asyncio.fixture`` unless ``asyncio_mode = "auto"``), prepares the
    place if that is needed, and closes the backend after its ``yield`` if there is something to close.

    What not every backend can do is a *capability*. The suite says at the end which ones each class has and lacks, and
    skips the tests of the others (``capability NAME: …``). Some are the backend's own: ``takes_content``,
    ``takes_parts``, ``local_path``, ``download_url``. Some are the test class's, and are there when it overrides
    ``corrupt`` (to have scrubbing tested), ``failing``, ``full`` and ``slow`` (to have a bad place tested), or says
    ``large = True``. ``persistent = False`` is for a store that ends with its process, ``memory`` says how much a
    large object may take, ``another`` how one more backend object is built.
    """
