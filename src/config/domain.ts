import * as v from 'valibot'
import type { DomainPolicy } from './policy.js'
import { names, table, text } from './values.js'

const NOT_NICS =
  '$setting is neither a list nor a table; write ["NIC"] to add NICs, or { hostdev0 = "NIC" } to replace'

/** NICs to add, or device id → NIC that takes its place. A NIC may also be an interface of the host, so any name will do. */
const nics = v.lazy((input): typeof added | typeof replaced => (Array.isArray(input) ? added : replaced))

const added = v.pipe(
  v.array(text, NOT_NICS),
  v.transform((add): DomainPolicy['nics'] => ({ add })),
)

const replaced = v.pipe(
  names(text, { notTable: NOT_NICS }),
  v.transform((replace): DomainPolicy['nics'] => ({ replace })),
)

/** One [[domain]]: what VMs get whose name, UUID, flavor and instance name match; globs. */
const domain = v.pipe(
  table({
    name: v.optional(text),
    uuid: v.optional(text),
    // Nova's, from libvirt's metadata.
    flavor: v.optional(text),
    instance: v.optional(text),
    profile: v.optional(text),
    nics: v.optional(nics),
  }),
  v.check(
    (given) => [given.name, given.uuid, given.flavor, given.instance].some((glob) => glob !== undefined),
    'a domain says nothing about the VM; add name, uuid, flavor or instance, or name = "*" for every VM',
  ),
  v.transform(
    (given): DomainPolicy => ({
      name: given.name ?? null,
      uuid: given.uuid?.toLowerCase() ?? null,
      flavor: given.flavor ?? null,
      instance: given.instance ?? null,
      profile: given.profile ?? null,
      nics: given.nics ?? null,
    }),
  ),
)

export const domains = v.array(domain, '$setting is not a list of tables; write [[domain]]')
