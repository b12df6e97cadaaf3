#!/bin/sh
# Scan what is deployed: Terraform with checkov, the locked packages with pip-audit, and write their bill of materials.
# The scanners live in an environment of their own: they pin packages of ours to older versions.
# Where the database of vulnerabilities cannot be reached this fails, unless UNAUDITED=1 says that this is known.
set -eu
cd "$(dirname "$0")/../.."

lock=requirements/scanners.txt
packages=functions/requirements.txt
home=.venv-scanners
bill=.local/sbom.json

if ! cmp -s "$lock" "$home/installed.txt"; then
  infra/local/setup.sh development
  echo "Setting up $home (once, about a minute) ..."
  rm -rf "$home"
  .venv/bin/python -m venv "$home"
  "$home/bin/python" -m pip install -qq --disable-pip-version-check --require-hashes --requirement "$lock"
  cp "$lock" "$home/installed.txt"
fi
mkdir -p .local

echo "Terraform, by checkov (exceptions with their reasons: infra/.checkov.yaml)"
said=$(cd infra && "../$home/bin/checkov" --config-file .checkov.yaml --directory . --skip-download) || {
  printf '%s\n' "$said"
  exit 1
}
# Without a count it has read nothing.
printf '%s\n' "$said" | grep "Passed checks: [1-9]"
if printf '%s\n' "$said" | grep -q "Parsing errors: [1-9]"; then
  echo "A file could not be parsed, so it was not checked." >&2
  exit 1
fi

"$home/bin/cyclonedx-py" requirements "$packages" --outfile "$bill"
echo "Bill of materials of the functions: $bill"

echo "Known vulnerabilities in $packages, by pip-audit"
status=0
said=$("$home/bin/pip-audit" --require-hashes --disable-pip --strict --requirement "$packages" 2>&1) || status=$?
if [ "$status" -ne 0 ] && ! printf '%s' "$said" | grep -q "known vulnerabilit"; then
  printf '%s\n' "$said" | tail -n 3
  echo "NOT AUDITED: the database of vulnerabilities does not answer for these packages."
  [ -n "${UNAUDITED-}" ] || exit 1
  exit 0
fi
printf '%s\n' "$said"
exit "$status"
