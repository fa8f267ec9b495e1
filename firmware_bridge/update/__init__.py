"""Firmware of peripherals: images checked before a byte is sent, sent, tried, confirmed or rolled back.

Start at ``procedure.Update``; the order of an update is the table in ``states.py``. Heavy libraries (cryptography, smp,
smpclient) are imported by the modules here only, and by nobody who does not update.
"""
