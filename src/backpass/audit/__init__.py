"""The audit: prove a gradient right, name what is wrong with it, and unfold any number."""
