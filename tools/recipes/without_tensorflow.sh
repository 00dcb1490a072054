#!/usr/bin/env bash
# A Raspberry Pi, a small container: the default model without TensorFlow, 0.3 GB instead of 2.5.
#
#     tools/recipes/without_tensorflow.sh environment
#     environment/bin/ooc-convert rows.csv -o rows.h5 --memory 256MB
#
# The argument is the folder of a new virtual environment.  N-grams, dense and sparse rows are converted,
# trained, evaluated and predicted without TensorFlow; sepcnn and models of your own need it.

set -euo pipefail
environment=$1
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

"${PYTHON:-python3}" -m venv "$environment"
"$environment/bin/pip" install h5py isal numba numpy orjson tqdm xxhash
"$environment/bin/pip" install --no-deps "$root"
