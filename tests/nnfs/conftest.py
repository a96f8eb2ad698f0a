import pytest

from backpass import nnfs


@pytest.fixture(autouse=True)
def as_imported():
    """`init` sets what layers and data are drawn with for the whole process; each test begins without it."""
    nnfs.init(default_dtype=None)
    yield
    nnfs.init(default_dtype=None)
