#!/usr/bin/python3
"""A wrapper in Python that does what a launch with profile, NIC name and lease does, in the fewest steps that do it."""

import fcntl
import fnmatch
import json
import os
import sys
import time
import tomllib

sys.dont_write_bytecode = True

from rewrite import parse, rewrite  # noqa: E402

ROOT = os.environ["QEMU_RT_SYSROOT"]
PCI = f"{ROOT}/sys/bus/pci/devices"
LEASES = f"{ROOT}/run/python-leases"


def read(path):
    try:
        with open(path) as file:
            return file.read().strip()
    except FileNotFoundError:
        return None


def cpu_set(text):
    ranges = [[int(end) for end in part.split("-")] for part in text.split(",")]
    return {cpu for ends in ranges for cpu in range(ends[0], ends[-1] + 1)}


def argument(args, option):
    return parse(args[args.index(option) + 1])


def pci_devices():
    """By address: what the driver and the class are, the NUMA node, the IOMMU group."""
    devices = {}
    for address in sorted(os.listdir(PCI)):
        uevent = dict(line.split("=", 1) for line in read(f"{PCI}/{address}/uevent").splitlines())
        group = os.path.basename(os.readlink(f"{PCI}/{address}/iommu_group"))
        devices[address] = {"uevent": uevent, "node": read(f"{PCI}/{address}/numa_node"), "group": group}
    return devices


def held_leases():
    """What launches hold whose QEMU still keeps its lease locked; others are taken away."""
    held = []
    for name in os.listdir(LEASES):
        with open(f"{LEASES}/{name}") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(f"{LEASES}/{name}")
            except BlockingIOError:
                held.append(json.load(file))
    return held


def reserve(nics, vcpus, realtime):
    """Takes CPUs that nobody has. The lease's descriptor stays open, and so stays locked, in QEMU."""
    os.makedirs(LEASES, exist_ok=True)
    directory = os.open(LEASES, os.O_RDONLY)
    fcntl.flock(directory, fcntl.LOCK_EX)
    held = held_leases()
    taken = {cpu for lease in held for cpu in lease["cpus"]}
    if any(nic in lease["nics"] for lease in held for nic in nics):
        sys.exit("a NIC is in use")
    free = sorted(cpu_set(realtime) & cpu_set(read(f"{ROOT}/sys/devices/system/cpu/online")) - taken)
    if len(free) < vcpus:
        sys.exit("too few CPUs are free")
    lease = os.open(f"{LEASES}/{os.getpid()}", os.O_RDWR | os.O_CREAT, 0o644)
    os.set_inheritable(lease, True)
    fcntl.flock(lease, fcntl.LOCK_EX)
    os.write(lease, json.dumps({"nics": nics, "cpus": free[:vcpus]}).encode())
    os.close(directory)
    return free[:vcpus]


def tune(launcher, cpus, profile):
    """In a process of its own: gives each vCPU its CPU and its policy when its thread is there."""
    os.setsid()
    waiting = set(range(len(cpus)))
    while waiting and os.path.exists(f"/proc/{launcher}/task"):
        for task in os.listdir(f"/proc/{launcher}/task"):
            name = read(f"/proc/{launcher}/task/{task}/comm") or ""
            vcpu = int(name[4:].split("/")[0]) if name.startswith("CPU ") else None
            if vcpu in waiting:
                os.sched_setaffinity(int(task), {cpus[vcpu]})
                os.sched_setscheduler(int(task), os.SCHED_FIFO, os.sched_param(profile["priority"]))
                waiting.remove(vcpu)
        time.sleep(0.001)
    os._exit(0)


def main():
    args = sys.argv[1:]
    with open(os.environ["QEMU_RT_CONFIG"], "rb") as file:
        config = tomllib.load(file)
    guest = argument(args, "-name")["guest"]
    domain = next(each for each in config["domain"] if fnmatch.fnmatch(guest, each["name"]))
    profile = config["profile"][domain["profile"]]
    devices = pci_devices()
    nics = [config["nic"][name]["address"] for name in domain["nics"]]
    for nic in nics:
        if devices[nic]["uevent"]["DRIVER"] != "vfio-pci":
            sys.exit(f"{nic} is not bound to vfio-pci")
    vcpus = int(argument(args, "-smp")["qom-type"])
    cpus = reserve(nics, vcpus, config["host"]["realtime"])
    rewritten = [rewrite(option, text) for option, text in zip(["", *args], args)]
    rewritten += [word for nic in nics for word in ("-device", f"vfio-pci,host={nic}")]
    launcher = os.getpid()
    if os.fork() == 0:
        tune(launcher, cpus, profile["vcpus"])
    os.sched_setaffinity(0, cpu_set(config["host"]["housekeeping"]))
    os.execv(os.environ["EMULATOR"], [os.environ["EMULATOR"], *rewritten])


main()
