const NETWORK = 0x02

/** Whether a class code is a network controller's (PCI Code and ID Assignment: base class 02h). */
export function isNetworkClass(classCode: number): boolean {
  return classCode >> 16 === NETWORK
}

/** By base class and subclass (PCI Code and ID Assignment), where the subclass says more than the base class. */
const SUBCLASSES: Readonly<Record<number, string>> = {
  3075: 'USB controller',
  3077: 'SMBus controller',
}

const BASE_CLASSES: Readonly<Record<number, string>> = {
  1: 'storage controller',
  2: 'network controller',
  3: 'display controller',
  4: 'multimedia device',
  5: 'memory controller',
  6: 'bridge',
  7: 'serial controller',
  8: 'system peripheral',
  11: 'processor',
  12: 'bus controller',
  13: 'wireless controller',
  16: 'cryptographic device',
  18: 'accelerator',
}

/** What a device is by its class code, for a message: `USB controller`. */
export function nameOfClass(classCode: number): string {
  return SUBCLASSES[classCode >> 8] ?? BASE_CLASSES[classCode >> 16] ?? 'device of another kind'
}
