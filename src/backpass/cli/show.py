def show() -> None:
    """Not written yet."""
