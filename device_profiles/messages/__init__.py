"""What goes over MQTT: topics, the envelope and one file per kind of message. See README.md for the sentences it keeps."""
