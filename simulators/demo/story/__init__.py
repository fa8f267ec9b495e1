"""The story of a hall, told through its doors and checked from outside: HTTP, MQTT and the bytes on the printers."""
