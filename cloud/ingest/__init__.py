"""From MQTT to the store: read, authorise, deduplicate, append, apply; acknowledge after the commit."""
