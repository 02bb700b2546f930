#!/usr/bin/env bash
# The wheel must carry every control and template: build it, install it into a fresh environment and ask from an empty folder.
set -euo pipefail
python="$1"
root="$PWD"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
.venv/bin/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$work/dist" .
rm -rf build
.venv/bin/python -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check --constraint constraints.txt "$work"/dist/*.whl pytest
mkdir "$work/empty" && cd "$work/empty"
"$work/venv/bin/modelwarden" controls list --format json > "$work/wheel.json"
cd "$root"
.venv/bin/modelwarden controls list --format json > "$work/repository.json"
if ! diff "$work/repository.json" "$work/wheel.json"; then
  echo "error: the wheel's controls differ from the repository's" >&2
  exit 1
fi
cd "$work/empty" && "$work/venv/bin/modelwarden" test > "$work/test.log" || { cat "$work/test.log"; exit 1; }
# Nothing was read of this package, so the gate says 3; the page needs the templates and the schemas that ship.
record='{"schema": "modelwarden.evidence/1", "package": "arn:aws:sagemaker:eu-west-1:111122223333:model-package/churn/7", "facts": {}}'
code=0
"$work/venv/bin/modelwarden" gate - --to Staging --runs runs <<< "$record" > "$work/gate.log" 2>&1 || code=$?
if [ "$code" != 3 ] || ! "$work/venv/bin/modelwarden" report runs -o html=page.html 2>> "$work/gate.log"; then
  cat "$work/gate.log"
  echo "error: the wheel's gate ended with $code, or wrote no page" >&2
  exit 1
fi
echo "wheel check: $(grep -c '"id"' "$work/wheel.json") controls, the same in the wheel; $(tail -n 1 "$work/test.log")"
