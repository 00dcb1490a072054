#!/usr/bin/env bash
# A nightly job: train on today's rows, and let the link `current` lead to the new run if it is good.
#
#     tools/recipes/nightly.sh rows.csv /srv/reviews
#     0 3 * * *  /opt/ooc-train/tools/recipes/nightly.sh /data/rows.csv /srv/reviews     (crontab)
#
# Readers use /srv/reviews/current and find the old run there or the new one, always complete.  The exit
# status is 0 if the new run is in use, 1 if something failed, and 3 if it was worse than the old one.

set -euo pipefail
rows=$1 folder=$2
tolerance=0.02 # of validation accuracy
kept=7         # runs

mkdir -p "$folder/runs"
today=$(date +%Y-%m-%d.%H%M%S)
run=$folder/runs/$today

# Two jobs at a time would share the link: mkdir succeeds for one of them.
if ! mkdir "$folder/lock" 2>/dev/null; then
    echo "nightly.sh: another job holds $folder/lock; remove it if that job is dead" >&2
    exit 1
fi
trap 'rm -rf "$folder/lock"' EXIT

# accuracy RUN: the validation accuracy of the weights that were kept.
accuracy() {
    python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["best"]["val_accuracy"])' \
        "$1/report.json"
}

ooc-convert "$rows" -o "$folder/lock/rows.h5" --temp-dir "$folder/lock" --quiet
ooc-train "$folder/lock/rows.h5" -o "$run" --quiet

new=$(accuracy "$run")
if [[ -e "$folder/current" ]]; then
    old=$(accuracy "$folder/current")
    if ! python3 -c "import sys; sys.exit($new < $old - $tolerance)"; then
        echo "nightly.sh: $run has accuracy $new, and the run in use $old; it stays" >&2
        exit 3
    fi
fi

# The swap is one rename.  A reader that has opened the old run keeps it.
ln -s "runs/$today" "$folder/lock/link"
python3 -c 'import os, sys; os.replace(*sys.argv[1:])' "$folder/lock/link" "$folder/current"
echo "$run is in use, with accuracy $new"

# The oldest runs go, but never the one in use.
in_use=$(basename "$(readlink "$folder/current")")
find "$folder/runs" -mindepth 1 -maxdepth 1 -type d ! -name "$in_use" | sort -r |
    tail -n "+$kept" | while read -r old_run; do rm -rf "$old_run"; done
