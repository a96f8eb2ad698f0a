def tour() -> None:
    """Not written yet."""
