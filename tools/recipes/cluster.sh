#!/usr/bin/env bash
# Convert rows on several machines by Dask, and end what was started for it.
#
#     tools/recipes/cluster.sh "host1 host2" N ARGUMENTS OF ooc-convert
#     tools/recipes/cluster.sh "node07 node08" 16 /shared/reviews.parquet -o /shared/reviews.h5
#
# Starts the scheduler here, and N workers on each host by ssh (on localhost without), in this folder
# and environment, which all hosts have at the same place.  All see the folder of the output.  Given
# again after an interruption, it goes on.
set -euo pipefail
hosts=$1 n=$2
shift 2
dask=$(command -v dask)
here=$PWD
port=${PORT:-8786}
address=tcp://$(hostname -I | cut -d' ' -f1):$port

started=()
trap 'kill "${started[@]}" 2>/dev/null || true; wait' EXIT
"$dask" scheduler --port "$port" --no-dashboard &
started+=($!)
for host in $hosts; do
    work=(env "PYTHONPATH=${PYTHONPATH:-}" DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED=False
        DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL=1s "$dask" worker "$address" --nworkers "$n" --nthreads 1
        --memory-limit 0 --no-dashboard --death-timeout 60)
    if [ "$host" = localhost ]; then
        "${work[@]}" &
    else
        ssh -tt "$host" "cd $(printf %q "$here") && $(printf '%q ' "${work[@]}")" &
    fi
    started+=($!)
done
ooc convert "$@" --scheduler "$address" --workers "$((n * $(wc -w <<<"$hosts")))" --resume
