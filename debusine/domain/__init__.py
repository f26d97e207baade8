"""The nouns of the farm, their states and their rules; attrs only."""
