#!/bin/sh
# Runs a Python program in a machine of a lab, under whose name it stands there. Where the
# interpreter has a library, it looks for it where it was built to be.
LD_LIBRARY_PATH=/opt/holo/lib
export LD_LIBRARY_PATH
exec /opt/holo/venv/bin/python -I /opt/holo/start.py "$0" "$@"
