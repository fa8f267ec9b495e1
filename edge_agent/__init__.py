"""One machine: keeps its peripherals alive and tells the cloud, with or without a link."""

__version__ = "0.2.0"
