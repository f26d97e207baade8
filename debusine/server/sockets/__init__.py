"""The websockets."""
