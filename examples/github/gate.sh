#!/usr/bin/env bash
# One step of the action: annotate the run, write the job summary, keep SARIF for upload, and leave with the gate's own exit code.
set -uo pipefail
[ -n "${MODELWARDEN_ORGANIZATION:-}" ] || unset MODELWARDEN_ORGANIZATION
[ -n "${MODELWARDEN_ORGANIZATION_DIGEST:-}" ] || unset MODELWARDEN_ORGANIZATION_DIGEST

modelwarden gate "$PACKAGE" --to "$STAGE" --format github \
  -o json=modelwarden.json -o sarif=modelwarden.sarif -o markdown=modelwarden.md
code=$?

[ -f modelwarden.md ] && cat modelwarden.md >> "${GITHUB_STEP_SUMMARY:-/dev/null}"
case $code in
  0) verdict="$(python3 -c 'import json; print(json.load(open("modelwarden.json"))["verdict"])')" || exit 4 ;;
  1) verdict=block ;;
  3) verdict=undecided ;;
  *) verdict=error ;;
esac
echo "verdict=$verdict" >> "${GITHUB_OUTPUT:-/dev/null}"
exit "$code"
