"""Columns become numbers: fitted on the training part, kept with skops, which runs nothing that it reads.

numbers     as they are (yes and no are 1 and 0)
the rest    skrub's TableVectorizer: categories, dates, text
then        missing values filled with the mean, a column that says where; all standardised
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backpass.cli.targets import LARGEST, listed, plain
from backpass.datasets.readers import Table

if TYPE_CHECKING:
    from pandas import DataFrame

# All that a preprocessor may be made of, besides what skops trusts of scikit-learn and NumPy. The list is fixed here,
# never read from a file: skops refuses any other type before it makes anything.
TRUSTED = [
    "datetime.timedelta",
    "datetime.timezone",
    "numpy.dtype",
    "pandas.DatetimeTZDtype",
    "skrub._apply_to_each_col.ApplyToEachCol",
    "skrub._check_input.CheckInputDataFrame",
    "skrub._clean_categories.CleanCategories",
    "skrub._clean_null_strings.CleanNullStrings",
    "skrub._dataframe._common.is_any_date",
    "skrub._dataframe._common.is_categorical",
    "skrub._dataframe._common.is_numeric",
    "skrub._datetime_encoder.DatetimeEncoder",
    "skrub._drop_uninformative.DropUninformative",
    "skrub._duration_to_float.DurationToFloat",
    "skrub._string_encoder.StringEncoder",
    "skrub._table_vectorizer.PassThrough",
    "skrub._table_vectorizer.ShortReprDict",
    "skrub._table_vectorizer.TableVectorizer",
    "skrub._table_vectorizer._created_by_predicate",
    "skrub._to_datetime.ToDatetime",
    "skrub._to_float.ToFloat",
    "skrub._to_str.ToStr",
    "skrub.selectors._base.All",
    "skrub.selectors._base.And",
    "skrub.selectors._base.Cols",
    "skrub.selectors._base.Filter",
    "skrub.selectors._base.Sub",
    "skrub.selectors._selectors._cardinality_below",
]


class Features:
    """The columns that a network is fed with, and how they become numbers.

    Attributes
    ----------
    columns : list of str
        The columns that are needed.
    numbers : list of str
        Those among them that hold numbers.
    pipeline : sklearn Pipeline
        Once `fit` was called.
    """

    def __init__(self, columns: list[str], numbers: list[str], pipeline: Any = None):
        self.columns, self.numbers, self.pipeline = columns, numbers, pipeline

    @classmethod
    def of(cls, frame: DataFrame) -> Features:
        """All columns that hold any value. ValueError if none does, TypeError for complex numbers."""
        for name in frame:
            if frame[name].dtype.kind == "c":
                raise TypeError(f"{name} holds complex numbers; pass real ones")
        columns = [name for name in frame if frame[name].notna().any()]
        if not columns:
            raise ValueError("the table has no column to learn from, or none that holds a value")
        return cls(columns, [name for name in columns if frame[name].dtype.kind in "iufb"])

    @property
    def others(self) -> list[str]:
        return [name for name in self.columns if name not in self.numbers]

    def fit(self, frame: DataFrame, seed: int) -> np.ndarray:
        """Learn from the training part, and return it as numbers (N, D)."""
        from sklearn.compose import ColumnTransformer
        from sklearn.impute import SimpleImputer
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        routes: list[tuple[str, Any, list[str]]] = [("numbers", "passthrough", self.numbers)]
        if self.others:
            from skrub import StringEncoder, TableVectorizer

            text = StringEncoder(random_state=seed)
            routes.append(("others", TableVectorizer(high_cardinality=text), self.others))
        self.pipeline = make_pipeline(
            ColumnTransformer(routes),
            SimpleImputer(add_indicator=True, keep_empty_features=True),
            StandardScaler(),
        )
        return self._through(self.pipeline.fit_transform, frame)

    def transform(self, frame: DataFrame) -> np.ndarray:
        """Numbers (N, D). Categories that were not seen in training count as none of those that were."""
        return self._through(self.pipeline.transform, frame)

    def _through(self, step: Any, frame: DataFrame) -> np.ndarray:
        frame = frame[self.columns].copy()
        for name in self.numbers:
            frame[name] = real_numbers(frame[name])
        for name in self.others:
            frame[name] = alike(frame[name])
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of unseen categories, of dates in mixed formats
                output = step(frame.reset_index(drop=True))
        except (ValueError, TypeError, KeyError, AttributeError) as error:  # the last three: of a tampered run.json
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise ValueError(f"{listed(self.others or self.columns)} cannot be made numbers: {reason}") from None
        if not output.shape[1]:
            raise ValueError(f"{listed(self.columns)}: nothing is left to learn from")
        beyond = (np.abs(output) > LARGEST).any(axis=0)
        if beyond.any():  # the numbers come first, in their order
            held = [*self.numbers, listed(self.others or self.numbers)][min(int(beyond.argmax()), len(self.numbers))]
            raise ValueError(f"{held} holds values too far from the training part's to be standardised")
        return output

    def frame_of(self, table: Table) -> DataFrame:
        """The columns that are needed, in order; others are left out. ValueError naming those that are missing."""
        frame = table.frame
        if not table.named:  # an array's columns are told by their place
            if self.others:
                raise ValueError(f"{table.name} holds numbers only; the run needs text or dates: {listed(self.others)}")
            frame = frame.drop(columns=[table.target], errors="ignore")
            if frame.shape[1] != len(self.columns):
                raise ValueError(f"X has {frame.shape[1]} columns; {len(self.columns)} are expected")
            return frame.set_axis(self.columns, axis="columns")
        missing = [name for name in self.columns if name not in frame]
        if missing:
            raise ValueError(f"{table.name} has no column {listed(missing)}; it has {listed(frame.columns)}")
        return frame[self.columns]

    def dumps(self) -> bytes:
        """The fitted pipeline as a skops file."""
        import zipfile

        import skops.io

        content = skops.io.dumps(self.pipeline, compression=zipfile.ZIP_DEFLATED)
        unknown = set(skops.io.get_untrusted_types(data=content)) - set(TRUSTED)
        if unknown:  # better now than when somebody wants to predict
            raise TypeError(f"the preprocessor holds {listed(sorted(unknown))}, which backpass does not store")
        return content

    def load(self, path: Path) -> None:
        """Read what `dumps` made. ValueError for anything else, before any of it is made."""
        import skops.io
        from sklearn.pipeline import Pipeline

        try:
            self.pipeline = skops.io.load(path, trusted=TRUSTED)
        except Exception as error:  # a file that was tampered with can make it raise anything
            raise ValueError(f"{path} is refused: {(str(error).splitlines() or [type(error).__name__])[0]}") from None
        if not isinstance(self.pipeline, Pipeline):
            raise ValueError(f"{path} is refused: it holds a {type(self.pipeline).__name__}, no Pipeline")


def alike(column: Any) -> Any:
    """The same values in the one form that stands for all: what a file makes of them depends on their neighbours."""
    if getattr(column.dtype, "tz", None) is not None:  # skops stores no time zone but plain offsets
        return column.dt.tz_convert(None)
    if column.dtype.kind == "f" and (column.dropna() % 1 == 0).all():  # the codes 1, 2 beside a missing one
        return column.astype("Int64")
    return column


def real_numbers(column: Any) -> np.ndarray:
    """(N,) float64, NaN where a value is missing; ValueError for text and for what no float32 can hold."""
    import pandas

    numbers = pandas.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    bad = (np.isnan(numbers) & column.notna().to_numpy()) | (np.abs(numbers) > LARGEST)
    if bad.any():
        row = int(bad.argmax())
        value = plain(column.iloc[row])
        row = column.index[row]  # of the whole table: this may be a part of it
        raise ValueError(f"{column.name} holds {value!r} in row {row}; a finite number is expected, or nothing")
    return numbers
