"""Ready-made things for tests: the one way to build them."""
