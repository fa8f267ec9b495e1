"""The machine in a technician's hands: vendor mode, and the commands for the machine itself (slot ``agent``)."""
