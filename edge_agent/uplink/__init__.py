"""The way to the cloud: MQTT, and in memory for tests; what is said over it is in ``session``."""
