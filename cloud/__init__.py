"""The fleet and the hall: what the machines report, what people wait for, and what is asked of machines."""
