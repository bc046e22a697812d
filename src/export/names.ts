import { nameEmpty, namesCollide, nameTooLong } from '../errors/export.js'
import type { Offer } from './offers.js'

/**
 * Gives each offer a name of another system's.
 * @param rename from a NIC's name to that one
 * @returns offers in their order, with that name
 * @throws {UserError} exit 78 when two NICs would have the same one, or one would be empty or too long
 */
export function renamed(
  offers: readonly Offer[],
  rename: (name: string) => string,
  longest: number,
): (Offer & { readonly as: string })[] {
  const holders = new Map<string, string>()
  return offers.map((offer) => {
    const as = rename(offer.name)
    if (as === '') throw nameEmpty({ name: offer.name })
    const holder = holders.get(as)
    if (holder !== undefined) throw namesCollide({ first: holder, second: offer.name, as })
    if (as.length > longest) throw nameTooLong({ name: offer.name, longest })
    holders.set(as, offer.name)
    return { ...offer, as }
  })
}

/**
 * A Placement resource class of a NIC: upper case, `_` for what else may not be in it, as os-resource-classes' normalize_name
 * makes it, and Nova of a device's resource_class.
 */
export function resourceClass(name: string): string {
  return `CUSTOM_NIC_${name.toUpperCase().replace(/[^A-Z0-9_]+/g, '_')}`
}

/**
 * A NIC's name as the name part of a Kubernetes label or resource: letters and digits at both ends (apimachinery,
 * IsQualifiedName), `_` for what else may not be in it. Empty when nothing is left.
 */
export function kubernetesName(name: string): string {
  return name.replace(/[^A-Za-z0-9]+/g, '_').replace(/^_|_$/g, '')
}

/** What Placement takes (placement/schemas/common.py, RC_TRAIT_MAX_LENGTH). */
export const LONGEST_RESOURCE_CLASS = 255
