#!/usr/bin/env bash
# Your own CSV file with a header: from its rows to predictions.
#
#     tools/recipes/own_csv.sh reviews.csv title,body stars work
#
# The arguments are the file, the columns of the text, the column of the class, and a new folder.

set -euo pipefail
rows=$1 text=$2 label=$3 folder=$4
mkdir "$folder"

ooc-convert "$rows" --text "$text" --label "$label" -o "$folder/rows.h5"
ooc-inspect "$folder/rows.h5"
ooc-train "$folder/rows.h5" -o "$folder/run"

# One row in ten was held out and stopped the training.  For scores of rows that nothing depended on,
# keep a file of test rows apart and give it to ooc-convert as --test.
ooc-evaluate "$folder/run" "$folder/rows.h5" --split validation

# New rows have the same columns; the class may be absent.  --keep-text puts the texts beside the labels.
ooc-predict "$folder/run" "$rows" --keep-text -o "$folder/predictions.csv"
