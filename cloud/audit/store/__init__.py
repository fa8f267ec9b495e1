"""Where the record is kept: the database, and a file of anchors beside it."""
