"""Which device belongs into which slot: what is plugged in (udev, or sysfs without it), and who may have it."""
