"""JSON in and out: the one place that turns bytes into values and back."""
