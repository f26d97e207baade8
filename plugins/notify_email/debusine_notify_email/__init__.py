"""Will send a farm's notifications by e-mail; nothing is implemented yet, so it registers nothing."""
