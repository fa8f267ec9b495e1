"""Frame shapes and checksums: bytes in, bytes out, no clock and no I/O. Simulators share this folder only."""
