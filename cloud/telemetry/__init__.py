"""Time series of machines, behind a port: SQLite in a file of its own, or a server that takes InfluxDB's write API."""
