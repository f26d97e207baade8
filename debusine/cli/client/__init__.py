"""The commands of ``debusine``."""
