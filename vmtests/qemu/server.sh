#!/usr/bin/env bash
# Runs commands in a machine for a test outside, over a virtio port: `bash server.sh PORT FOLDER`.
#
# A line is a message. What comes in:
#   S TOKEN                      echoed; the first is the one asked for at the start, all before it
#                                is what was left of a connection that broke
#   R SLOT ID SIZE ARGUMENTS     run a command, quoted for bash; SIZE bytes of input follow the line
#   K SLOT ID                    kill it and what it has started
#   F SLOT ID                    the same, and do not wait for what still holds its output
#   Q SLOT ID                    say L if nobody is left who would tell how it ended
# What goes out:
#   H TOKEN                      the server has started, and wants this S
#   D ID STATUS TEXT B64 TEXT B64  it has ended: eN with status N, sN by signal N; output and error
#                                are each a text quoted by bash, and the rest in base64 after a `-`
#   L ID                         nobody knows how it ended
# A slot has one command at a time. Forks are dear where a processor is emulated: a command that
# writes little costs two.
set -m # each command has a process group of its own, and signals as they are by default
LC_ALL=C # bytes; not exported
PORT=$1 FOLDER=$2
SHORT=4000
shopt -u checkwinsize

write() {
    local kind text
    while read -r kind text <&8; do
        case $kind in
            say) printf '%s\n' "$text" >&3 ;;
            short)
                IFS= read -r text <"answer.$text"
                printf '%s\n' "$text" >&3
                ;;
            long) cat "answer.$text" >&3 ;;
        esac
    done
}

# Put a whole stream into the answer. 0: it was short.
encode() {
    local text
    if IFS= read -r -d '' -n "$SHORT" text <&5; then
        # Too much, or a zero byte, which has gone.
        printf ' %q -' "$text"
        if ((${#text} < SHORT)); then
            { printf '\0'; cat <&5; } | base64 -w0
        else
            base64 -w0 <&5
        fi
        return 1
    fi
    printf ' %q -' "$text"
}

run() {
    local slot=$1 id=$2 input=$3 pid line='' length=short status
    shift 3
    set -m # anew: a subshell has lost it
    local out=out.$slot
    [[ -p $out ]] || mkfifo "$out"
    exec 4<>"$out" 5<"$out" 6>"$out" 4>&-
    (cd / && exec -- "$@" 3>&- 5>&- 6>&- 8>&-) <"$input" >&6 2>"error.$slot" &
    pid=$!
    echo "$id $pid" >"pid.$slot"
    exec 6>&-
    encode >"output.$slot" || length=long
    # `wait` tells signal 9 and status 137 by one number; `jobs` does not show whom a signal killed.
    exec 7<>"$out"
    while jobs >"jobs.$slot"; IFS= read -r line <"jobs.$slot" && [[ $line == *" Running "* ]]; do
        read -r -t 0.005 <&7
    done
    wait "$pid" 2>/dev/null
    status=$?
    if ((status > 128)) && [[ $line != *" Exit "* ]]; then
        status=s$((status - 128))
    else
        status=e$status
    fi
    set +m
    {
        printf 'D %s %s' "$id" "$status"
        if [[ $length == short ]]; then
            IFS= read -r line <"output.$slot"
            printf '%s' "$line"
        else
            cat "output.$slot"
        fi
        if [[ -s error.$slot ]]; then
            encode 5<"error.$slot" || length=long
        else
            printf " '' -"
        fi
        echo
    } >"answer.$slot"
    echo "$length $slot" >&8
}

kill_command() {
    local id pid
    if read -r id pid 2>/dev/null <"pid.$1" && [[ $id == "$2" ]]; then
        kill -9 -- "-$pid" 2>/dev/null
    fi
}

serve() {
    local line kind slot id size words input token=$RANDOM$RANDOM$$
    local -A worker
    printf '\nH %s\n' "$token" >&3
    until IFS= read -r line <&3 && [[ $line == "S $token" ]]; do :; done
    echo "say $line" >&8
    while read -r kind slot id size words <&3; do
        case $kind in
            S) echo "say S $slot" >&8 ;;
            R)
                input=/dev/null
                if ((size)); then
                    input=input.$slot
                    head -c "$size" <&3 >"$input"
                fi
                eval "words=($words)"
                run "$slot" "$id" "$input" "${words[@]}" </dev/null 2>/dev/null &
                worker[$slot]=$!
                ;;
            K) kill_command "$slot" "$id" ;;
            F)
                kill_command "$slot" "$id"
                kill -9 -- "-${worker[$slot]}" 2>/dev/null
                rm -f "out.$slot"
                ;;
            Q)
                if ! kill -0 "${worker[$slot]:-0}" 2>/dev/null; then
                    kill_command "$slot" "$id"
                    echo "say L $id" >&8
                fi
                ;;
        esac
    done
}

mkdir -p "$FOLDER"
cd "$FOLDER" || exit
rm -f ./*
mkfifo news
exec 3<>"$PORT" 8<>news || exit
write 2>/dev/null &
serve
