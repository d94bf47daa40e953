#!/bin/sh
# Installs what the tests need beyond PyPI, where it is missing: PostgreSQL, strace and faketime.
set -eu
has_postgresql() { command -v initdb >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; }
missing=
has_postgresql || missing="$missing postgresql"
command -v strace >/dev/null 2>&1 || missing="$missing strace"
command -v faketime >/dev/null 2>&1 || missing="$missing faketime"
if [ -z "$missing" ]; then exit 0; fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    # shellcheck disable=SC2086  # they are several packages
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
else
    echo "The tests need these packages:$missing. Install them." >&2
    echo "Without PostgreSQL's server programs (initdb, postgres) set FXD_TEST_WITHOUT_POSTGRES=1 to leave those" >&2
    echo "tests out." >&2
    case "$missing" in *strace*) exit 1 ;; esac
    [ -n "${FXD_TEST_WITHOUT_POSTGRES:-}" ]
fi
