# Sourced by the scripts beside it: finds Python, makes .venv, installs one set of requirements when it changed.
# Leaves the shell in the checkout's folder, with its path in $root and the environment's Python in $python.

set -euo pipefail

started_in=$PWD
root=$(unset CDPATH && cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
python=$root/.venv/bin/python
stamp=$root/.venv/requirements.stamp
pip_log=$root/.venv/pip.log
cd -- "$root"

say() { printf 'segue: %s\n' "$*" >&2; }

die() {
    say "$*"
    exit 1
}

# The first Python that really runs (version managers put names on the path that do not), is new enough, and can
# make environments (Debian packs that separately). Versions come first that all requirements have wheels for.
find_python() {
    local name
    for name in python3.11 python3.12 python3.13 python3 python; do
        if "$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            command -v -- "$name"
            return
        fi
    done
    die "needs Python 3.11 or newer with its venv module; none is on the path (on Debian: python3 and python3-venv)"
}

# Requirement sets from small to large: each file includes the one before it.
requirement_files() {
    case $1 in
        server) echo requirements-server.txt ;;
        indexer) echo "$(requirement_files server) requirements-indexer.txt" ;;
        full) echo "$(requirement_files indexer) requirements.txt" ;;
        dev) echo "$(requirement_files full) requirements-redis.txt requirements-postgresql.txt requirements-milvus.txt requirements-ray.txt requirements-dev.txt" ;;
        *) die "no requirement set is called '$1'" ;;
    esac
}

# One line "set hash" for every set up to the named one: what the stamp says once that set is installed.
describe_sets() {
    local set
    for set in server indexer full dev; do
        # shellcheck disable=SC2046  # the file names are ours and hold no spaces
        printf '%s %s\n' "$set" "$("$python" -Ic '
import hashlib, pathlib, sys
print(hashlib.sha256(b"".join(pathlib.Path(name).read_bytes() for name in sys.argv[1:])).hexdigest())
' $(requirement_files "$set"))"
        if [ "$set" = "$1" ]; then return; fi
    done
}

# A larger set that is installed and unchanged holds the smaller ones, so its stamp has their lines as well.
is_installed() {
    [ -f "$stamp" ] && [ -x "$python" ] && grep -qxF -- "$(describe_sets "$1" | tail -n 1)" "$stamp"
}

# install SET: make sure that .venv holds the set; does nothing, and starts no pip, where it does already.
install() {
    local set=$1 file base reason
    if is_installed "$set"; then return; fi

    base=$(find_python)
    # Two scripts started together must not run pip in one environment at once. The lock belongs to descriptor 9.
    exec 9<requirements-server.txt
    "$base" -Ic 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)' 2>/dev/null || die "cannot lock .venv for installing"
    if ! is_installed "$set"; then
        file=$(requirement_files "$set")
        file=${file##* }
        if ! "$python" -Ic 'import pip, sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            "$base" -m venv --clear .venv 9<&- || die "cannot make the environment .venv with $base"
        fi
        say "installing $file (takes minutes the first time)"
        rm -f -- "$stamp"
        if ! "$python" -m pip --disable-pip-version-check -q install -r "$file" >"$pip_log" 2>&1 9<&-; then
            reason=$(grep -m 1 '^ERROR: ' "$pip_log") || reason="pip failed without saying why"
            die "could not install $file: ${reason#ERROR: } (full output: $pip_log)"
        fi
        describe_sets "$set" >"$stamp.new"
        mv -- "$stamp.new" "$stamp"
    fi
    exec 9<&-
}
