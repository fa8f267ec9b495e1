"""A town under fire: machines that tell facts, and everything that can go wrong between them and the ledger."""
