# Print the first Python that can make the virtual environment, or say in one line why there is none.
# Usage: sh tools/find_python.sh [PYTHON-TO-USE]
problem="no Python was found"
for candidate in ${1:-python3.14 python3.13 python3.12 python3.11 python3 python}; do
    version=$("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
    if ! "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        problem="$candidate is Python $version"
    elif ! "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
        problem="$candidate cannot make environments (on Debian and Ubuntu: apt install python$version-venv)"
    else
        echo "$candidate"
        exit 0
    fi
done
echo "mnist_nb needs Python 3.11 or newer with venv, but $problem. Say which to use: make PYTHON=/path/to/python lab" >&2
exit 1
