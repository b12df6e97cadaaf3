#!/bin/sh
# Make .venv-dbt with dbt, or do nothing when it is there: it pins packages of ours to other versions.
set -eu
cd "$(dirname "$0")/../.."

lock=requirements/dbt.txt
home=.venv-dbt
cmp -s "$lock" "$home/installed.txt" && exit 0

echo "Setting up $home (once, one to five minutes) ..."
rm -rf "$home"
.venv/bin/python -m venv "$home"
"$home/bin/python" -m pip install -qq --disable-pip-version-check --require-hashes --requirement "$lock"
cp "$lock" "$home/installed.txt"
