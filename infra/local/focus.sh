#!/bin/sh
# Make .venv-focus with the validator of FOCUS, the FinOps Open Cost and Usage Specification, or do nothing when it is
# there. It needs Python 3.12: it pins an older NumPy, for which there is no package for later ones.
set -eu
cd "$(dirname "$0")/../.."

lock=requirements/focus.txt
home=.venv-focus
cmp -s "$lock" "$home/installed.txt" && exit 0

for python in "${PYTHON312:-python3.12}" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.12.*/bin/python ""; do
  [ -n "$python" ] || {
    echo "The validator of FOCUS needs Python 3.12: install it, or say where it is: PYTHON312=/path/to/python3.12" >&2
    exit 1
  }
  "$python" -c 'import sys, venv; raise SystemExit(sys.version_info[:2] != (3, 12))' >/dev/null 2>&1 && break
done
echo "Setting up $home (once, about a minute) ..."
rm -rf "$home"
"$python" -m venv "$home"
"$home/bin/python" -m pip install -qq --disable-pip-version-check --require-hashes --requirement "$lock"
cp "$lock" "$home/installed.txt"
