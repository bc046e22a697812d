#!/bin/bash
# What a wrapper in bash usually is: it walks the arguments and edits one device option.
args=()
previous=
for arg; do
  if [[ $previous == -device && $arg == '{"driver":"virtio-net-pci",'* ]]; then
    arg=${arg/'"virtio-net-pci",'/'"virtio-net-pci","rx_queue_size":1024,'}
  fi
  args+=("$arg")
  previous=$arg
done
exec "$EMULATOR" "${args[@]}"
