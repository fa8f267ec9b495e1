"""Firmware of the machine's peripherals: from files that somebody brings to a slot that runs them.

``firmware_bridge.update`` knows how; this room knows which slot, which keys, what is kept, and whom to tell. Nothing
of it is imported before an update: cryptography costs an agent 9 MiB, smpclient another 6.
"""
