"""What the cloud asks of this machine: journalled, run per slot in order, answered once."""
