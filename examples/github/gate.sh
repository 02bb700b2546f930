#!/usr/bin/env bash
# The gate step of the action: annotations, job summary, files for later steps, and the gate's own exit code.
set -uo pipefail

# A folder of this step alone: what an earlier gate of the job wrote must never be read as this one's answer.
out="$(mktemp -d "${RUNNER_TEMP:-/tmp}/modelwarden.XXXXXX")" || exit 4

# `--name=value` and `--`: an input that looks like an option stays a value.
arguments=("--to=$STAGE" "--at=$AT" --format=github)
[ -z "$CONFIG" ] || arguments+=("--config=$CONFIG")
[ -z "$ROLE" ] || arguments+=("--role=$ROLE")
[ -z "$ORGANIZATION" ] || arguments+=("--organization=$ORGANIZATION")
[ -z "$ORGANIZATION_DIGEST" ] || arguments+=("--organization-digest=$ORGANIZATION_DIGEST")
for format in json sarif markdown; do arguments+=("--output=$format=$out/decision.$format"); done

modelwarden gate "${arguments[@]}" -- "$PACKAGE"
code=$?

# GitHub makes an alert of every result, also of one that passed, does not apply or is excepted.
alerts='
import json, sys
log = json.load(open(sys.argv[1], encoding="utf-8"))
for run in log["runs"]:
    run["results"] = [one for one in run["results"] if one["kind"] in ("fail", "open") and not one.get("suppressions")]
json.dump(log, open(sys.argv[2], "w", encoding="utf-8"))
'
case $code in
  0 | 1 | 3)
    verdict="$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1], encoding="utf-8"))["verdict"])' "$out/decision.json")"
    cat "$out/decision.markdown" >> "${GITHUB_STEP_SUMMARY:-/dev/null}"
    python3 -c "$alerts" "$out/decision.sarif" "$out/alerts.sarif" || exit 4
    ;;
  *)
    verdict=error
    echo "::error title=modelwarden::no decision was made (exit $code); the log of this step says why"
    echo "## modelwarden: no decision was made (exit $code)" >> "${GITHUB_STEP_SUMMARY:-/dev/null}"
    ;;
esac
case "$code $verdict" in
  "0 allow" | "0 flag" | "1 block" | "3 undecided") ;;
  *" error") ;;
  *) code=4 verdict=error ;;
esac
{
  echo "verdict=$verdict"
  echo "exit-code=$code"
  if [ "$verdict" != error ]; then
    echo "json=$out/decision.json"
    echo "sarif=$out/decision.sarif"
    echo "alerts=$out/alerts.sarif"
  fi
} >> "${GITHUB_OUTPUT:-/dev/null}"
exit "$code"
