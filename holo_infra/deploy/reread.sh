#!/bin/sh
# Starts units anew that have read a file which is another since: `reread.sh FILE UNIT FILE UNIT …`. What
# does not run is left alone, and what was started since then.
set -eu
file=
for word; do
    if [ -z "$file" ]; then
        file=$word
        continue
    fi
    if [ -e "$file.changed" ] && [ "$(systemctl show --property=ActiveState --value "$word")" != inactive ]; then
        since=$(systemctl show --property=InactiveExitTimestamp --timestamp=unix --value "$word")
        if [ "${since#@}" -le "$(stat -c %Y "$file.changed")" ]; then
            systemctl restart "$word"
        fi
    fi
    file=
done
for word; do
    case $word in
    /*) rm -f "$word.changed" ;;
    esac
done
