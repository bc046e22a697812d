import { EXIT, type UserError, userError } from './user-error.js'

/**
 * @param facts.needed what is more than the limit: `the guest's RAM of 4 GiB`
 * @param facts.where what locks it
 */
export function lockLimitTooLow(facts: {
  readonly needed: string
  readonly limit: string
  readonly where: string
}): UserError {
  return userError({
    exitCode: EXIT.permission,
    what: `this user may lock ${facts.limit}, less than ${facts.needed}`,
    where: facts.where,
    todo: "set LimitMEMLOCK=infinity for libvirtd or virtqemud, <memoryBacking><locked/> in the domain, or 'ulimit -l unlimited'",
  })
}

/** Guest RAM is to be backed otherwise, and a file says what it is. */
export function ramInReadConfig(facts: { readonly file: string }): UserError {
  return userError({
    exitCode: EXIT.input,
    what: 'guest RAM is described where it cannot be shared or backed with huge pages',
    where: `-readconfig ${facts.file}`,
    todo: 'put its [memory], [machine] and [numa] on the command line, as -m, -machine and -numa',
  })
}

export function hugePageSizeMissing(facts: {
  readonly profile: string
  readonly size: string
  readonly sizes: readonly string[]
}): UserError {
  const has = facts.sizes.length === 0 ? 'it has none' : `it has ${facts.sizes.join(' and ')}`
  return userError({
    exitCode: EXIT.unavailable,
    what: `this host has no huge pages of ${facts.size}`,
    where: `hugepages of profile '${facts.profile}'`,
    todo: `${has}; boot with hugepagesz=${facts.size}, or change the profile`,
  })
}

export function tooFewHugePages(facts: {
  readonly profile: string
  readonly size: string
  readonly needed: number
  readonly free: number
  /** Where pages are short: null for the host as a whole. */
  readonly node: number | null
}): UserError {
  const place = facts.node === null ? 'this host' : `NUMA node ${facts.node}`
  return userError({
    exitCode: EXIT.unavailable,
    what: `the guest needs ${facts.needed} huge pages of ${facts.size}, ${place} has ${facts.free} free`,
    where: `hugepages of profile '${facts.profile}'`,
    todo: `stop another VM, or add pages: boot with hugepagesz=${facts.size} hugepages=N`,
  })
}

export function notWholeHugePages(facts: {
  readonly backend: string
  readonly bytes: string
  readonly size: string
}): UserError {
  return userError({
    exitCode: EXIT.input,
    what: `memory backend '${facts.backend}' of ${facts.bytes} is not a multiple of the huge page size ${facts.size}`,
    todo: 'change the memory size, or the huge page size of the profile',
  })
}
