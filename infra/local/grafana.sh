#!/bin/sh
# Make .local/grafana with the packages that Grafana publishes of its dashboards, or do nothing when they are there.
# Ends with 3, and says so, where npm or its registry cannot be reached: the dashboard is then not checked by them.
set -eu
cd "$(dirname "$0")/../.."

wanted=tests/grafana
home=.local/grafana
cmp -s "$wanted/package-lock.json" "$home/installed.json" && exit 0

command -v npm >/dev/null && command -v node >/dev/null || {
  echo "NOT CHECKED by the packages of Grafana: npm is not installed." >&2
  exit 3
}
echo "Setting up $home (once, about half a minute) ..."
rm -rf "$home"
mkdir -p "$home"
cp "$wanted/package.json" "$wanted/package-lock.json" "$home"
# No script of a package is run.
if ! npm ci --prefix "$home" --ignore-scripts --no-audit --no-fund --fetch-retries 1 >"$home/npm.log" 2>&1; then
  cat "$home/npm.log" >&2
  grep -qE 'ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|CERT|request to .* failed' "$home/npm.log" || exit 1
  echo "NOT CHECKED by the packages of Grafana: the registry of npm cannot be reached." >&2
  exit 3
fi
cp "$wanted/package-lock.json" "$home/installed.json"
