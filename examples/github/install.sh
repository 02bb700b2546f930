#!/usr/bin/env bash
# The install step of the action: modelwarden in an environment of its own, whose commands the later steps find.
set -euo pipefail

refuse() {
  echo "::error title=modelwarden::$1"
  exit 2
}

case "$VERSION" in
  "")
    source="$GITHUB_ACTION_PATH/../.."
    grep -qs '^name = "modelwarden"' "$source/pyproject.toml" \
      || refuse "this action stands outside of its repository: set the input version"
    ;;
  *[!0-9A-Za-z.]*) refuse "the input version is no version" ;;
  *) source="modelwarden==$VERSION" ;;
esac
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
  || refuse "Python 3.11 or newer is needed: run actions/setup-python before"

environment="$RUNNER_TEMP/modelwarden-environment"
python3 -m venv "$environment"
"$environment/bin/python" -m pip install --quiet --disable-pip-version-check "$source"
echo "$environment/bin" >> "$GITHUB_PATH"
