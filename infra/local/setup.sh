#!/bin/sh
# Make .venv with Python 3.13 and the locked packages, or do nothing when it is there and up to date; either way let its
# python find the product: `.venv/bin/python -m spotkeeper` works from any folder, also when the checkout was moved.
set -eu
cd "$(dirname "$0")/../.."

lock=requirements/development.txt
stamp=.venv/installed.txt

find_product() {
  path_file=.venv/lib/python3.13/site-packages/spotkeeper.pth
  if [ "$(cat "$path_file" 2>/dev/null)" != "$PWD/functions" ]; then
    printf '%s\n' "$PWD/functions" >"$path_file.$$"
    mv "$path_file.$$" "$path_file"
  fi
}

if cmp -s "$lock" "$stamp"; then
  find_product
  exit 0
fi

is_313() {
  "$@" -c 'import sys, venv, ensurepip; raise SystemExit(sys.version_info[:2] != (3, 13))' >/dev/null 2>&1
}

find_python() {
  for candidate in "${PYTHON:-python3.13}" python3.13 python3 python; do
    if is_313 "$candidate"; then
      command -v "$candidate"
      return
    fi
  done
  for candidate in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.13*/bin/python; do
    if is_313 "$candidate"; then
      echo "$candidate"
      return
    fi
  done
  if command -v uv >/dev/null 2>&1; then
    found=$(uv python find --system 3.13 2>/dev/null || { uv python install 3.13 >&2 && uv python find --system 3.13; }) || return 1
    if is_313 "$found"; then
      echo "$found"
      return
    fi
  fi
  return 1
}

if ! python=$(find_python); then
  echo "spotkeeper needs Python 3.13, and found it neither as python3.13, nor through pyenv, nor through uv." >&2
  echo "Install it (pyenv install 3.13, or uv python install 3.13, or your system's package python3.13 with python3.13-venv) and try again." >&2
  exit 1
fi

echo "Setting up .venv with $python (once, about a minute) ..."
rm -rf .venv
"$python" -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement "$lock"
cp "$lock" "$stamp"
find_product
