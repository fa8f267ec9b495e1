"""Who a machine is: claim codes, certificates of the fleet's CA, renewal, revocation."""
