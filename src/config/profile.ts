import * as v from 'valibot'
import { parseBytes } from '../units/bytes.js'
import { GIVEN_TO, givenTo } from './given-to.js'
import { interrupts } from './interrupts.js'
import type { Profile } from './policy.js'
import { iothreads, thread, vcpus } from './threads.js'
import { flag, names, oneOf, parsed, table } from './values.js'

/** arm64's 64K is the smallest huge page of any host (Documentation/admin-guide/mm/hugetlbpage.rst). */
const SMALLEST_HUGE_PAGE = 64n << 10n

const NOT_A_PROFILE = '$setting is not a table; write [profile.NAME]'

/** One [profile.NAME]: what a class of VMs gets. */
const profile = v.pipe(
  table(
    {
      vcpus: v.optional(vcpus),
      // QEMU's main thread, and every thread that has no key of its own here.
      emulator: v.optional(thread),
      iothreads: v.optional(iothreads),
      workers: v.optional(thread),
      // The kernel's vhost-NNN threads.
      vhost: v.optional(thread),
      // Threads of -object thread-context, which stay where the command line has them otherwise.
      'thread-contexts': v.optional(thread),
      // Keep guest RAM and QEMU in memory (mlockall).
      'lock-memory': v.optional(flag),
      // Page size that backs guest RAM.
      hugepages: v.optional(
        parsed(
          hugePageSize,
          '$setting is not the size of a huge page; write one that the host has, such as "2M" or "1G"',
        ),
      ),
      // Shared guest RAM: auto is when a vhost-user device is there.
      share: v.optional(oneOf(['auto', 'always', 'never'])),
      // Stop the VM when its threads cannot be set as asked.
      strict: v.optional(flag),
      // Of devices that are assigned to the VM.
      interrupts: v.optional(interrupts),
      ...GIVEN_TO,
    },
    NOT_A_PROFILE,
  ),
  v.transform(
    (given): Profile => ({
      vcpus: given.vcpus ?? null,
      emulator: given.emulator ?? null,
      iothreads: given.iothreads ?? null,
      workers: given.workers ?? null,
      vhost: given.vhost ?? null,
      threadContexts: given['thread-contexts'] ?? null,
      lockMemory: given['lock-memory'] ?? null,
      hugepages: given.hugepages ?? null,
      share: given.share ?? 'auto',
      strict: given.strict ?? false,
      interrupts: given.interrupts ?? null,
      givenTo: givenTo(given),
    }),
  ),
)

export const profiles = names(profile, {
  notTable: NOT_A_PROFILE,
  isName: (name) => name.trim() !== '',
  notName: 'a profile has an empty name; give it one',
})

function hugePageSize(text: string): string | null {
  const bytes = parseBytes(text)
  return bytes !== null && bytes >= SMALLEST_HUGE_PAGE && (bytes & (bytes - 1n)) === 0n ? text : null
}
