"""A build and QA farm for Debian packages: a small core with plugins."""
