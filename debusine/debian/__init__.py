"""Debian's file formats, read into the data of artifact categories."""
