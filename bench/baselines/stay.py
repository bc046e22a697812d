#!/usr/bin/python3
"""A wrapper that starts QEMU and stays as its parent, as Open vSwitch's qemu-wrap.py does."""

import os
import subprocess
import sys

sys.exit(subprocess.call([os.environ["EMULATOR"], *sys.argv[1:]]))
