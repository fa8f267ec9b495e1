"""Who this machine is: its key and certificate on the disk, how it got them and how it renews them.

Start at ``files.IdentityFolder``. ``cryptography`` is imported where a key is made, so an agent that has nothing to
renew does not carry it.
"""
