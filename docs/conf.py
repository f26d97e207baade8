"""How Sphinx writes the documentation; `make docs` turns every warning into an error."""

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # where the two local extensions are

project = "debusine"
author = "the debusine developers"
copyright = "2026, the debusine developers"
release = version = installed_version("debusine")

extensions = [
    "myst_parser",
    "sphinx.ext.apidoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "command_reference",
    "settings_reference",
]
exclude_patterns = ["_build", "reference/api/*/modules.rst"]
html_theme = "furo"
html_title = f"debusine {release}"
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

apidoc_modules = [
    {
        "path": "../debusine",
        "destination": "reference/api/core",
        # Alembic runs its environment and its versions; they cannot be imported.
        "exclude_patterns": ["../debusine/db/migrations/*"],
        "automodule_options": {"members", "show-inheritance"},
        "separate_modules": False,
        "module_first": True,
    },
    {
        "path": "../plugins/filestore_cache/debusine_filestore_cache",
        "destination": "reference/api/filestore_cache",
        "automodule_options": {"members", "show-inheritance"},
        "separate_modules": False,
        "module_first": True,
    },
    {
        "path": "../plugins/filestore_local/debusine_filestore_local",
        "destination": "reference/api/filestore_local",
        "automodule_options": {"members", "show-inheritance"},
        "separate_modules": False,
        "module_first": True,
    },
    {
        "path": "../plugins/filestore_s3/debusine_filestore_s3",
        "destination": "reference/api/filestore_s3",
        "automodule_options": {"members", "show-inheritance"},
        "separate_modules": False,
        "module_first": True,
    },
]
autodoc_member_order = "bysource"
toc_object_entries = False  # the navigation of every page would list every function
autodoc_typehints_format = "short"
autodoc_default_options = {"exclude-members": "cache_ok"}  # SQLAlchemy's; its text refers to pages of its own
# debusine.plugin shows again what plugins may import, so a short name may have two places; either is right.
suppress_warnings = ["ref.python"]
