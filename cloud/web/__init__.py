"""Pages for people: hall managers, maintenance crews, citizens. Reads the features, owns no table."""
