#!/bin/sh
# The least that a wrapper can be: it changes nothing.
exec "$EMULATOR" "$@"
