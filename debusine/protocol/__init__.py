"""What server, worker and client share on the wire."""
