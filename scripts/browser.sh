#!/usr/bin/env bash
# The tests look at the page in a real browser, and print it by Pango: install both where that is possible, say so where it is not.
set -euo pipefail
wanted=()
chromium=""
for name in chromium chromium-browser google-chrome; do
  if command -v "$name" >/dev/null; then chromium="$name"; fi
done
if [ -z "$chromium" ]; then wanted+=(chromium); fi
if ! ldconfig -p 2>/dev/null | grep -q libpangoft2-1.0; then wanted+=(libpango-1.0-0 libpangoft2-1.0-0 fonts-dejavu-core); fi
if [ "${#wanted[@]}" = 0 ]; then exit 0; fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "installing for the tests of the page: ${wanted[*]}"
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${wanted[@]}" >/dev/null
else
  echo "note: no way to install ${wanted[*]} here; the tests of the page in a browser, or on paper, are skipped" >&2
fi
