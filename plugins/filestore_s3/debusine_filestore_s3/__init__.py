"""Will keep a farm's files in an S3 bucket; nothing is implemented yet, so it registers nothing."""
