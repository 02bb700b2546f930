#!/usr/bin/env bash
# Create the environment: an interpreter of at least 3.11, pinned versions, the package in editable form.
set -euo pipefail
python="$1" venv="$2"

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  for candidate in python3.13 python3.12 python3.11; do
    if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python="$candidate"; break; fi
  done
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  echo "error: Python 3.11 or newer is needed, \`$python\` is not" >&2
  echo "  help: make PYTHON=/path/to/python3.11 ..." >&2
  exit 2
fi
if ! "$python" -m venv "$venv" 2>/dev/null; then
  # Debian ships venv apart; with root we can mend that ourselves.
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    version="$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
    apt-get update -qq && apt-get install -y -qq "python$version-venv"
    "$python" -m venv "$venv"
  else
    echo "error: \`$python -m venv\` does not work" >&2
    echo "  help: install the venv module of your Python (Debian: python3-venv)" >&2
    exit 2
  fi
fi
echo "setting up $venv (a minute or two the first time)"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[sandbox,scan,pdf,dask,sign,lambda,dev]'
