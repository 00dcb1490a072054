"""Generated rows: labelled text like real reviews, seeded, any number of rows.

They stand in for the review corpora that are too big to ship.  Words follow Zipf's law with an
open vocabulary.  Neighbouring words depend on each other, so that bigrams repeat.  Words recur
within their row.  Lengths are log-normal.  The class shows in some words and some pairs of words.

The *language* (spelling, successors, which words show a class) is fixed; the seed chooses the
*rows*.  So rows of another seed are a test set.  Row i depends only on the seed, i, the number of
classes and the mean length, never on the number of rows or threads.

The file is in the Zhang layout: no header, every field quoted, `"class 1..K","title","body"`,
UTF-8, one line a row.

    python -m benchmarks.corpus reviews.csv --rows 400000
    python -m benchmarks.corpus --statistics reviews.csv other.csv.gz [--learn]

The second command describes any files in that layout side by side, as a Markdown table.
"""
