"""What the farm can do, one verb a function."""
