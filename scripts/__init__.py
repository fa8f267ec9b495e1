"""Programs for those who work on hallfleet; nothing here is installed."""
