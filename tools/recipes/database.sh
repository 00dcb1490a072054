#!/usr/bin/env bash
# Rows of a database: train on those that have a label, and label those that have none.
#
#     tools/recipes/database.sh sqlite:///reviews.db work
#
# The table `reviews` has the columns id, body and stars, and stars is NULL where nobody gave any.
# postgresql://user@host/name and duckdb:reviews.duckdb work alike; a password belongs in PGPASSWORD.

set -euo pipefail
database=$1 folder=$2
mkdir "$folder"

# ORDER BY makes the file repeatable: without it a database may return its rows in any order.
ooc-convert --database "$database" \
    --sql "SELECT body, stars FROM reviews WHERE stars IS NOT NULL ORDER BY id" \
    --text body --label stars -o "$folder/reviews.h5"
ooc-train "$folder/reviews.h5" -o "$folder/run"

# Columns that are not text, here the id, stand beside the labels in the output.
ooc-predict "$folder/run" --database "$database" \
    --sql "SELECT id, body FROM reviews WHERE stars IS NULL ORDER BY id" \
    --text body -o "$folder/labels.csv"
