#!/usr/bin/env bash
# The tests look at the page in a real browser: install one where that is possible, say so where it is not.
set -euo pipefail
for name in chromium chromium-browser google-chrome; do
  if command -v "$name" >/dev/null; then exit 0; fi
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "installing Chromium for the tests of the page"
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null
else
  echo "note: no Chromium here and no way to install it; the tests of the page in a browser are skipped" >&2
fi
