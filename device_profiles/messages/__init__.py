"""What goes over MQTT: topics, the envelope and one file per kind of message (rules: README.md)."""
