import type { Role } from '../../src/tune/roles.js'
import { parseSelector } from '../../src/tune/selectors.js'
import { parseBytes } from '../../src/units/bytes.js'
import { parseMac } from '../../src/units/mac.js'
import { parsePciAddress } from '../../src/units/pci-address.js'
import { mutate } from '../common/mutate.js'
import { must, type Target } from '../common/target.js'

const TEXTS = [
  ...['vcpus=4-7:fifo:1', 'vcpu:*=4', 'iothread:disk=0-1', 'emulator=:batch', 'name:IO*=0:rr:99', 'vhost=2'],
  ...['1.5G', '0x40M', '0000:03:00.1', 'a0:36:9f:12:34:56'],
]

/** `--set` and the small values. */
export const selectors: Target = {
  name: 'selectors',
  title: 'selectors of threads, sizes, addresses',
  make: (random) => [mutate(random, random.pick(TEXTS), TEXTS)],
  take([text = '']) {
    parseBytes(text)
    parseMac(text)
    const address = parsePciAddress(text)
    must(address === null || parsePciAddress(address) === address, 'an address is not read as it is written')
    const selector = parseSelector(text)
    const thread = { tid: 1, name: text.slice(0, 15) } as Parameters<typeof selector.settingFor>[0]
    const roles: Role[] = [{ kind: 'vcpu', vcpu: 0 } as Role, { kind: 'iothread', id: 'disk' } as Role]
    for (const role of roles) selector.settingFor(thread, role)
  },
}
