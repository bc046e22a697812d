#!/usr/bin/python3
"""What a wrapper in Python usually is: it reads keyval and JSON arguments, makes the guest's RAM shared, and execs."""

import argparse
import json
import os
import re

PAIR = re.compile(r"((?:[^,]|,,)+)(?:,(?!,)|$)")
WITH_PROPERTIES = {"-object", "-device", "-netdev", "-chardev", "-blockdev", "-machine", "-name", "-smp"}


def parse(text):
    if text.startswith("{"):
        return json.loads(text)
    pairs = [pair.replace(",,", ",") for pair in PAIR.findall(text)]
    return dict(pair.split("=", 1) if "=" in pair else ("qom-type", pair) for pair in pairs)


def render(properties, text):
    if text.startswith("{"):
        return json.dumps(properties, separators=(",", ":"))
    kind, *pairs = [(key, "on" if value is True else str(value).replace(",", ",,")) for key, value in properties.items()]
    return ",".join([kind[1], *(f"{key}={value}" for key, value in pairs)])


def rewrite(option, text):
    if option not in WITH_PROPERTIES:
        return text
    properties = parse(text)
    if option != "-object" or properties.get("qom-type") != "memory-backend-ram":
        return text
    return render({**properties, "qom-type": "memory-backend-memfd", "share": True}, text)


def main():
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--wrapper-emulator", default=os.environ.get("EMULATOR"))
    own, args = parser.parse_known_args()
    rewritten = [rewrite(option, text) for option, text in zip(["", *args], args)]
    os.execv(own.wrapper_emulator, [own.wrapper_emulator, *rewritten])


if __name__ == "__main__":
    main()
