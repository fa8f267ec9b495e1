"""One file per protocol: frames to frozen commands and replies and back, without I/O."""
