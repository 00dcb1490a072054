#!/usr/bin/env bash
# Classes of very different sizes: fraud, spam, rare complaints.
#
#     tools/recipes/imbalanced.sh reviews.csv work
#
# The arguments are a CSV file (the class first, then the text) and a new folder.

set -euo pipefail
rows=$1 folder=$2
mkdir "$folder"

# More validation rows, since a rare class needs some there for a score that means anything.
ooc-convert "$rows" --validation-fraction 0.2 -o "$folder/rows.h5"

# Every class gets the same total weight, and the best epoch is that of the best macro F1, in which
# every class counts the same.  Accuracy would be high for a model that never names the rare class.
ooc-train "$folder/rows.h5" -o "$folder/run" \
    --class-weight balanced --monitor val_macro_f1 --patience 5

# Read precision, recall and F1 of the rare class, not the accuracy.  For two classes the report also
# has the threshold that gives each class its highest F1.
ooc-evaluate "$folder/run" "$folder/rows.h5" --split validation --report "$folder/scores.json"
