#!/bin/sh
# Make .venv with Python 3.13 or 3.14 and the locked packages, or do nothing when it has them:
#   infra/local/setup.sh demo           what `make run`, `make try` and the command line need
#   infra/local/setup.sh development    that, and what tests and checks need
# Either way let its python find the product: `.venv/bin/python -m spotkeeper` works from any folder, also when the
# checkout was moved.
set -eu
cd "$(dirname "$0")/../.."

purpose=${1:-development}
lock=requirements/$purpose.txt
stamp=.venv/installed.txt
[ -f "$lock" ] || {
  echo "usage: $0 demo|development" >&2
  exit 2
}

find_product() {
  for packages in .venv/lib/python3.*/site-packages; do
    if [ "$(cat "$packages/spotkeeper.pth" 2>/dev/null)" != "$PWD/functions" ]; then
      printf '%s\n' "$PWD/functions" >"$packages/spotkeeper.pth.$$"
      mv "$packages/spotkeeper.pth.$$" "$packages/spotkeeper.pth"
    fi
  done
}

# What development needs includes what the demo needs.
if cmp -s "$lock" "$stamp" || cmp -s requirements/development.txt "$stamp"; then
  find_product
  exit 0
fi

# Say what is done, and how long it took; what pip writes is an error.
step() {
  printf '  %s ... ' "$1" >&2
  shift
  began=$(date +%s)
  if ! "$@" >&2; then
    echo "failed" >&2
    return 1
  fi
  echo "$(($(date +%s) - began)) s" >&2
}

is_supported() {
  "$@" -c 'import sys, venv, ensurepip; raise SystemExit(sys.version_info[:2] not in ((3, 13), (3, 14)))' >/dev/null 2>&1
}

find_python() {
  for candidate in "${PYTHON:-python3.13}" python3.13 python3.14 python3 python; do
    if is_supported "$candidate"; then
      command -v "$candidate"
      return
    fi
  done
  for candidate in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[34].*/bin/python; do
    if is_supported "$candidate"; then
      echo "$candidate"
      return
    fi
  done
  uv=$(command -v uv || install_uv) || return 1
  found=$("$uv" python find --system 3.13 2>/dev/null || "$uv" python find --system 3.14 2>/dev/null) || {
    step "Python 3.13, by uv" "$uv" python install --quiet 3.13 || return 1
    found=$("$uv" python find --system 3.13) || return 1
  }
  if is_supported "$found"; then
    echo "$found"
    return
  fi
  return 1
}

# uv from the package index, in a small environment of the system's Python 3.9 or later.
install_uv() {
  for candidate in python3 python; do
    if "$candidate" -c 'import sys, venv, ensurepip; raise SystemExit(sys.version_info < (3, 9))' >/dev/null 2>&1; then
      rm -rf .venv-uv
      step "an environment for uv, with $candidate" "$candidate" -m venv .venv-uv || return 1
      step "uv, from the package index" install_packages .venv-uv requirements/bootstrap.txt || return 1
      echo "$PWD/.venv-uv/bin/uv"
      return
    fi
  done
  return 1
}

# The locks name every package that is needed. In the demo's, bytecode is written when a module is first imported: most
# never is, and it would be a quarter of the size.
install_packages() {
  case $2 in *development*) bytecode=--compile ;; *) bytecode=--no-compile ;; esac
  "$1/bin/python" -m pip install -qq --disable-pip-version-check $bytecode --no-deps --require-hashes --requirement "$2"
}

echo "Setting up .venv for $purpose, once:" >&2
if ! python=$(find_python); then
  echo "spotkeeper needs Python 3.13 or 3.14, and found neither as python3.13 or python3.14, nor through pyenv, nor through uv." >&2
  echo "Install it (pyenv install 3.13, or uv python install 3.13, or your system's package python3.13 with python3.13-venv) and try again." >&2
  exit 1
fi

# An environment of the demo as locked now is completed; any other one may hold packages of an older lock.
if ! cmp -s requirements/demo.txt "$stamp"; then
  rm -rf .venv
  step "an environment with $python" "$python" -m venv .venv
fi
rm -f "$stamp"
step "$(grep -c == "$lock") packages" install_packages .venv "$lock"
cp "$lock" "$stamp"
find_product
