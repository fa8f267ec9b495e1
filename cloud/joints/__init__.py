"""Where one feature's need meets what others have: small adapters that ``wiring`` puts in place.

Only these modules and ``wiring`` know several features.
"""
