import t from 'tap'
import { parseDeviceInterrupts } from '../../src/host/interrupts-by-cpu.js'

t.test(
  'rows of devices are counted for the CPUs of the heading, those of the architecture are not',
  async (t) => {
    const text = [
      '           CPU0       CPU1       CPU3',
      '   0:         36          0          0   IO-APIC   2-edge      timer',
      ' 24:          1          2          5   PCI-MSI 49152-edge      ens1f0',
      ' 25:          7',
      'NMI:         50         60         70   Non-maskable interrupts',
      'LOC:        500        600        700   Local timer interrupts',
      'ERR:          9',
      '',
    ].join('\n')
    t.strictSame(
      [...parseDeviceInterrupts(text)],
      [
        [0, 44],
        [1, 2],
        [3, 5],
      ],
    )
    t.strictSame([...parseDeviceInterrupts('')], [])
  },
)
