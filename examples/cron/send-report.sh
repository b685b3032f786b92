#!/bin/sh
# Runs a command and mails what it prints, through relay, with nothing but curl:
#   send-report.sh "Backup" /usr/local/bin/backup
# From a crontab:  30 2 * * * /usr/local/bin/send-report.sh Backup /usr/local/bin/backup
set -eu

from=app@example.com
to=admin@example.com
subject=$1
shift

mail=$(mktemp)
trap 'rm -f "$mail"' EXIT
{
    printf 'From: %s\nTo: %s\nSubject: %s on %s\n' "$from" "$to" "$subject" "$(hostname)"
    printf 'Content-Type: text/plain; charset=utf-8\n\n'
    "$@" 2>&1 || printf '\nended with exit status %s\n' "$?"
} >"$mail"

curl --silent --show-error --crlf --url smtp://localhost:2525 \
    --mail-from "$from" --mail-rcpt "$to" --upload-file "$mail"
