"""What a column of a table is, and how each of its values becomes numbers: by the value and the kind alone."""
