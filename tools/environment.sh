# Shell functions that tools/test and tools/quickstart share: choose a Python, make a virtual
# environment, install this package into it.  Sourced; sets `root`, the repository's root.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

oldest_minor=10 # of Python 3; as requires-python in pyproject.toml
newest_minor=13

# say MESSAGE: a heading, on standard output like what follows it.
say() {
    printf '\n== %s\n' "$*"
}

# fail MESSAGE: end with one sentence on standard error.
fail() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# is_fitting PYTHON: is this an interpreter that runs, of a version that the package supports?
is_fitting() {
    "$1" -c "import sys
sys.exit(not (3, $oldest_minor) <= sys.version_info[:2] <= (3, $newest_minor))" >/dev/null 2>&1
}

# find_python: print the first interpreter that fits and can make virtual environments: $PYTHON
# where it is set, else python3, else the newest python3.N; with `prefer_oldest`, the oldest python3.N
# first.
find_python() {
    local candidates=() candidate minor without_venv=""
    if [[ -n "${prefer_oldest:-}" ]]; then
        for ((minor = oldest_minor; minor <= newest_minor; minor++)); do
            candidates+=("python3.$minor")
        done
        candidates+=(python3)
    else
        candidates+=(python3)
        for ((minor = newest_minor; minor >= oldest_minor; minor--)); do
            candidates+=("python3.$minor")
        done
    fi
    [[ -z "${PYTHON:-}" ]] || candidates=("$PYTHON")
    for candidate in "${candidates[@]}"; do
        is_fitting "$candidate" || continue
        if "$candidate" -c "import ensurepip, venv" >/dev/null 2>&1; then
            printf '%s\n' "$candidate"
            return
        fi
        without_venv=$candidate
    done
    if [[ -n "$without_venv" ]]; then
        fail "$without_venv cannot make virtual environments: install its venv module" \
            "(Debian and Ubuntu: python3-venv), or name another Python in PYTHON"
    fi
    fail "found no Python 3.$oldest_minor to 3.$newest_minor (tried ${candidates[*]}):" \
        "install one, or name it in PYTHON"
}

# make_environment FOLDER: make a virtual environment where there is none, keep one that works.
make_environment() {
    local folder=$1 python
    if [[ ! -e "$folder" ]]; then
        python=$(find_python) || exit 1
        say "making the virtual environment $folder with $python"
        mkdir -p "$(dirname "$folder")"
        "$python" -m venv "$folder" || fail "$python could not make $folder"
    fi
    is_fitting "$folder/bin/python" ||
        fail "$folder has no working Python 3.$oldest_minor to 3.$newest_minor: remove it, and run this again"
    "$folder/bin/python" -m pip --version >/dev/null 2>&1 ||
        "$folder/bin/python" -m ensurepip >/dev/null 2>&1 ||
        fail "$folder has no pip: remove it, and run this again"
}

# install_package FOLDER [EXTRA [PIP OPTION ...]]: install this repository, editable, into the
# environment, unless that is done already for the present pyproject.toml (the stamp is a copy of it).
install_package() {
    local folder=$1 extra=${2:-} stamp
    shift "$(($# < 2 ? $# : 2))"
    stamp=$folder/installed${extra:+-$extra}.toml
    cmp -s "$root/pyproject.toml" "$stamp" && return
    say "installing ooc-train${extra:+[$extra]} into $folder"
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check \
        --editable "$root${extra:+[$extra]}" "$@" ||
        fail "the installation into $folder failed; pip's message is above"
    cp "$root/pyproject.toml" "$stamp"
}
