"""The suite that says whether a file store backend conforms."""

from debusine.testing.file_stores.interrupting import Interrupting
from debusine.testing.file_stores.reading import Reading
from debusine.testing.file_stores.removing import Removing
from debusine.testing.file_stores.resources import Resources
from debusine.testing.file_stores.storing import Storing


class FileStoreConformance(Storing, Reading, Removing, Interrupting, Resources):
    """Says whether a backend conforms: inherit it and define the fixture ``backend``.

    .. code-block:: python

        class TestTapeStore(FileStoreConformance):
            @pytest.fixture
            def backend(self, tmp_path):
                return TapeStore(TapeOptions(base_directory=tmp_path))

    The fixture may be asynchronous (with ``pytest_asyncio.fixture`` unless ``asyncio_mode = "auto"``), prepares the
    place if that is needed, and closes the backend after its ``yield`` if there is something to close. Override
    ``corrupt`` to have scrubbing tested, and set ``persistent = False`` for a store that ends with its process.
    """
