#!/bin/sh
# Installs what the tests need beyond PyPI, where it is missing: PostgreSQL.
set -eu
has_postgresql() { command -v initdb >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; }
if has_postgresql; then exit 0; fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql
else
    echo "The tests need PostgreSQL's server programs (initdb, postgres): install the package 'postgresql'," >&2
    echo "or set FXD_TEST_WITHOUT_POSTGRES=1 to leave those tests out." >&2
    [ -n "${FXD_TEST_WITHOUT_POSTGRES:-}" ]
fi
