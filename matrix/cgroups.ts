import { readdirSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'

const ROOT = '/sys/fs/cgroup'
/** Hierarchies of version 1 are below it, and a domain's groups a few levels further. */
const DEPTH = 6

/** @returns paths of this machine's control groups, children before their parents */
export function cgroups(directory = ROOT, depth = DEPTH): string[] {
  if (depth === 0) return []
  return directories(directory).flatMap((path) => [...cgroups(path, depth - 1), path])
}

/** A group of one of the tests' domains (test/e2e/domain-xml.ts, domainName), or one in it. */
const OF_TESTS = /\/machine\/qemu-\d+-rt-\d+-\d+\.libvirt-qemu(\/|$)/

/**
 * Removes the groups that the tests' domains have left since; one with a process in it stays. Other new ones are the
 * machine's, also while they are empty.
 */
export function removeNewCgroups(before: readonly string[], directory = ROOT): void {
  const known = new Set(before)
  for (const path of cgroups(directory).filter((one) => OF_TESTS.test(one) && !known.has(one))) {
    try {
      rmdirSync(path)
    } catch {
      // Somebody else's: it is in use.
    }
  }
}

function directories(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => join(path, name))
  } catch {
    // Gone meanwhile.
    return []
  }
}
