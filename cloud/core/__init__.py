"""What every feature may use: clock, ids, errors, facts and the bus that carries them. Knows no database
and no web.
"""
