"""The asynchronous client of the HTTP API."""
