#!/bin/sh
# Puts its input into the file $1, which only root can read: as a whole, or not at all. A connection that
# is cut looks like the input's end, so that has a mark. Where the file is another now, $1.changed stands
# beside it until reread.sh has been there.
set -eu
umask 077
mkdir -p "$(dirname "$1")"
cat > "$1.new"
[ "$(tail -c 4 "$1.new")" = END. ]
truncate -s -4 "$1.new"
if [ -e "$1" ] && cmp -s "$1.new" "$1"; then
    rm "$1.new"
    chmod 600 "$1"
else
    touch "$1.changed"
    mv -f "$1.new" "$1"
fi
