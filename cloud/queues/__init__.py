"""People waiting: tickets, counters, calls, ratings, and the numbers that ticket machines may hand out."""
