#!/usr/bin/env bash
# A folder of Parquet files, as Spark, DuckDB or pandas write them: train, and predict to Parquet.
#
#     tools/recipes/parquet.sh reviews/ body stars work
#
# The arguments are the folder, the column of the text, the column of the class, and a new folder.  A
# path into a struct, such as review.body, is a column, too, and so are folders such as stars=5.

set -euo pipefail
rows=$1 text=$2 label=$3 folder=$4
mkdir "$folder"

# The files are read one after another, in batches; --memory bounds the whole conversion.
ooc-convert "$rows" --text "$text" --label "$label" --memory 512MB -o "$folder/rows.h5"
ooc-train "$folder/rows.h5" -o "$folder/run"
ooc-predict "$folder/run" "$rows" -o "$folder/predictions.parquet"
