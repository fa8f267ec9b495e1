"""Measurements: ``hallfleet bench NAME [--json FILE]``. Compare ratios of one run: machines differ."""
