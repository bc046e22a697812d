import { parseMac } from '../units/mac.js'
import { parsePciAddress } from '../units/pci-address.js'
import type { InventoryEntry, NetInterface } from './facts.js'

type Fields = Readonly<Record<string, unknown>>

/** A device takes half a KiB, and PCI has 65,536 functions a domain. */
const MAX_LENGTH = 16 << 20
const MAX_DEVICES = 65_536

/** Why a saved inventory cannot be read, for a message. */
class Malformed extends Error {}

/**
 * Reads the text of a saved inventory, `{"version": 1, "devices": [InventoryEntry…]}`. Keys that it does not know are
 * left aside.
 * @returns the entries, or what is wrong with the text
 */
export function parseInventory(text: string): InventoryEntry[] | string {
  if (text.length > MAX_LENGTH) return 'it is longer than 16 MiB'
  try {
    const inventory = fields(JSON.parse(text), 'the file')
    if (inventory.version !== 1) return `version ${JSON.stringify(inventory.version)} is not 1`
    const devices = list(inventory, 'devices', 'the file')
    if (devices.length > MAX_DEVICES) return `it has more than ${MAX_DEVICES} devices`
    return devices.map((device, index) => entry(device, `devices[${index}]`))
  } catch (error) {
    if (error instanceof Malformed) return error.message
    if (error instanceof SyntaxError) return `it is not valid JSON (${error.message})`
    throw error
  }
}

function entry(value: unknown, place: string): InventoryEntry {
  const device = fields(value, place)
  const id = (key: string) => {
    const digits = text(device, key, place).toLowerCase()
    return /^[\da-f]{4}$/.test(digits) ? digits : fail(`${place}.${key} is not four hex digits`)
  }
  return {
    address: parsePciAddress(text(device, 'address', place)) ?? fail(`${place}.address is not a PCI address`),
    vendor: id('vendor'),
    device: id('device'),
    subsystemVendor: id('subsystemVendor'),
    subsystemDevice: id('subsystemDevice'),
    serial: textOrNull(device, 'serial', place),
    // Earlier versions have saved neither.
    bootId: textOrNull(device, 'bootId', place),
    bridges: textOrNull(device, 'bridges', place),
    interfaces: list(device, 'interfaces', place).map((nic, index) =>
      netInterface(nic, `${place}.interfaces[${index}]`),
    ),
  }
}

function netInterface(value: unknown, place: string): NetInterface {
  const nic = fields(value, place)
  const mac = textOrNull(nic, 'mac', place)
  const altnames = list(nic, 'altnames', place)
  return {
    name: text(nic, 'name', place),
    altnames: altnames.map((name) =>
      typeof name === 'string' ? name : fail(`${place}.altnames has a name that is no text`),
    ),
    mac: mac === null ? null : (parseMac(mac) ?? fail(`${place}.mac is not a MAC address`)),
  }
}

function fields(value: unknown, place: string): Fields {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
  return isObject ? (value as Fields) : fail(`${place} is not an object`)
}

function list(object: Fields, key: string, place: string): readonly unknown[] {
  const value = object[key]
  return Array.isArray(value) ? value : fail(`${place} has no list '${key}'`)
}

function text(object: Fields, key: string, place: string): string {
  return textOrNull(object, key, place) ?? fail(`${place} has no '${key}'`)
}

function textOrNull(object: Fields, key: string, place: string): string | null {
  const value = object[key] ?? null
  return value === null || typeof value === 'string' ? value : fail(`${place}.${key} is not text`)
}

function fail(problem: string): never {
  throw new Malformed(problem)
}
