#!/usr/bin/env bash
# All that a first run compiles, compiled now: for images, and after an installation.
#
#     tools/recipes/compile_kernels.sh
#
# A conversion, a training and a prediction of a few made-up rows; nothing of them is kept.

set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for number in $(seq 60); do
    printf '%s,"a %s film, number %s of many"\n' "$((number % 2))" \
        "$( ((number % 2)) && echo good || echo poor)" "$number"
done >"$work/rows.csv"
ooc-convert "$work/rows.csv" -o "$work/rows.h5" --quiet
ooc-train "$work/rows.h5" -o "$work/run" --epochs 1 --quiet
ooc-evaluate "$work/run" "$work/rows.h5" --split validation --quiet
ooc-predict "$work/run" "$work/rows.csv" -o "$work/labels.csv" --quiet
