#!/usr/bin/env bash
# Pretrained word vectors: GloVe, word2vec or fastText, as text, for the sequence model sepcnn.
#
#     tools/recipes/embeddings.sh glove.6B.50d.txt reviews.csv work --epochs 10
#
# The arguments are the file of vectors, a CSV file (the class first, then the text), a new folder, and
# further options of ooc-train.  This takes TensorFlow.  It helps where rows are few and the words of
# new rows were not seen in training; n-grams are faster, and as good on most data.

set -euo pipefail
vectors=$1 rows=$2 folder=$3
shift 3
mkdir "$folder"

ooc-convert "$rows" --features sequence -o "$folder/words.h5"
ooc-train "$folder/words.h5" --embeddings "$vectors" --bucket-by-length -o "$folder/run" "$@"
ooc-evaluate "$folder/run" "$folder/words.h5" --split validation
