"""The embedded MQTT 5 broker, for demos, development and tests on one machine."""
