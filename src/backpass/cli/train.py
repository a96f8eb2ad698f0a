def train() -> None:
    """Not written yet."""
