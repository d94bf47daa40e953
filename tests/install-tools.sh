#!/bin/sh
# Installs what the tests need beyond PyPI, where it is missing: PostgreSQL, Chromium, JACK, PortAudio,
# strace and faketime.
set -eu
has_postgresql() { command -v initdb >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; }
has_chromium() {
    command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 ||
        command -v google-chrome >/dev/null 2>&1
}
has_portaudio() {
    for library in /usr/lib/*/libportaudio.so.2 /usr/lib/libportaudio.so.2; do
        if [ -e "$library" ]; then return 0; fi
    done
    return 1
}
missing=
has_chromium || missing="$missing chromium"
has_postgresql || missing="$missing postgresql"
command -v jackd >/dev/null 2>&1 || missing="$missing jackd2"
has_portaudio || missing="$missing libportaudio2"
command -v strace >/dev/null 2>&1 || missing="$missing strace"
command -v faketime >/dev/null 2>&1 || missing="$missing faketime"
if [ -z "$missing" ]; then exit 0; fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    # shellcheck disable=SC2086  # they are several packages
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
else
    echo "The tests need these packages:$missing. Install them." >&2
    echo "Without PostgreSQL's server programs (initdb, postgres) set FXD_TEST_WITHOUT_POSTGRES=1 to leave those" >&2
    echo "tests out, without Chromium FXD_TEST_WITHOUT_CHROMIUM=1." >&2
    case "$missing" in *strace* | *faketime* | *jackd2* | *libportaudio2*) exit 1 ;; esac
    case "$missing" in *chromium*) [ -n "${FXD_TEST_WITHOUT_CHROMIUM:-}" ] || exit 1 ;; esac
    case "$missing" in *postgresql*) [ -n "${FXD_TEST_WITHOUT_POSTGRES:-}" ] || exit 1 ;; esac
fi
