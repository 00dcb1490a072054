"""A pandas DataFrame: train on it, and put the predictions beside its rows.

    python tools/recipes/dataframe.py reviews.parquet title,body stars work

The arguments are a file that pandas reads, the columns of the text, the column of the class, and a
new folder.  Tables of Polars, Arrow, DuckDB and Hugging Face are given to `ooc_train` likewise.
"""

import sys
from pathlib import Path

import pandas

import ooc_train


def read(path: Path) -> pandas.DataFrame:
    """The rows; in your own program, the table that you have."""
    return pandas.read_parquet(path) if path.suffix == ".parquet" else pandas.read_csv(path)


def main(rows: str, text: str, label: str, folder: str) -> None:
    """Train, predict, and write the table with two more columns."""
    work = Path(folder)
    work.mkdir()
    table = read(Path(rows))
    labelled = table[table[label].notna()]

    ooc_train.convert(labelled, work / "rows.h5", text=text.split(","), label=label)
    ooc_train.train(work / "rows.h5", work / "run")

    predictor = ooc_train.load(work / "run")
    texts = table[text.split(",")]
    table["predicted"] = predictor.predict(texts)
    table["probability"] = predictor.predict_proba(texts).max(axis=1)
    table.to_csv(work / "predictions.csv", index=False)
    print(table.head())


if __name__ == "__main__":
    main(*sys.argv[1:])
