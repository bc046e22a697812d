import t from 'tap'
import { readHostFacts } from '../../src/host/read.js'
import { device, madeHost, uevent } from './made-host.js'

t.test('a physical slot holds all functions of the card in it', async (t) => {
  const root = madeHost(t, {
    [`${device('0000:03:00.0')}/uevent`]: uevent('igb'),
    [`${device('0000:03:00.1')}/uevent`]: uevent('igb'),
    [`${device('0000:03:01.0')}/uevent`]: uevent('igb'),
    [`${device('10000:03:00.0')}/uevent`]: uevent('igb'),
    '/sys/bus/pci/slots/4-1/address': '0000:03:00\n',
    '/sys/bus/pci/slots/5/address': '10000:03:00\n',
  })
  t.strictSame(
    readHostFacts(root).pci.map(({ address, slot }) => [address, slot]),
    [
      ['0000:03:00.0', '4-1'],
      ['0000:03:00.1', '4-1'],
      ['0000:03:01.0', null],
      ['10000:03:00.0', '5'],
    ],
  )
})

t.test('a slot that is a whole bus holds every device on it', async (t) => {
  const root = madeHost(t, {
    [`${device('0001:01:02.0')}/uevent`]: uevent('igb'),
    [`${device('0001:02:00.0')}/uevent`]: uevent('igb'),
    '/sys/bus/pci/slots/U78CB.001-P1-C9/address': '0001:01\n',
  })
  t.strictSame(
    readHostFacts(root).pci.map(({ slot }) => slot),
    ['U78CB.001-P1-C9', null],
  )
})
