import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { exportCommand } from '../../src/commands/export.js'
import { needs, unmet } from '../e2e/needs.js'

const SCRIPT = fileURLToPath(new URL('nova-reads.py', import.meta.url))
const HOST = fileURLToPath(new URL('../../fixtures/hosts/four-nics', import.meta.url))

/** Debian's, which has Nova's modules. In C: Nova's own unit sets no locale either. */
const python = (...args: string[]) =>
  spawnSync('/usr/bin/python3', args, { encoding: 'utf8', env: { LC_ALL: 'C' } })

t.test('Nova reads what is exported for it', async (t) => {
  if (!needs(t, ['/usr/bin/python3'])) return
  if (python('-c', 'import nova.pci.whitelist').status !== 0) return unmet(t, 'not installed: python3-nova')
  const root = t.testdir({
    providers: {},
    'rt.toml': [
      '[host]\nhousekeeping = "0-1"\nrealtime = "2-3"',
      '[nic.fieldbus-0]\naddress = "0000:03:00.1"',
      '[nic.line]\nid = "8086:1521"\npool = true',
      '',
    ].join('\n'),
  })
  const options = { config: `${root}/rt.toml`, sysroot: HOST }
  await exportCommand('nova-provider', { ...options, output: `${root}/providers/qemu-rt.yaml` })
  await exportCommand('nova-pci', { ...options, output: `${root}/pci.conf` })
  const { status, stdout, stderr } = python(SCRIPT, `${root}/providers`, `${root}/pci.conf`)
  t.equal(status, 0, stderr)
  t.strictSame(JSON.parse(stdout), {
    providers: {
      $COMPUTE_NODE: {
        identification: { uuid: '$COMPUTE_NODE' },
        inventories: {
          additional: [
            { CUSTOM_NIC_FIELDBUS_0: { total: 1, reserved: 1 } },
            { CUSTOM_NIC_LINE: { total: 3, reserved: 1 } },
          ],
        },
        traits: { additional: ['CUSTOM_QEMU_RT'] },
        __source_file: 'qemu-rt.yaml',
      },
    },
    devices: [
      ['0000:03:00.1', 'CUSTOM_NIC_FIELDBUS_0'],
      ['0000:03:00.0', 'CUSTOM_NIC_LINE'],
      ['0000:03:00.2', 'CUSTOM_NIC_LINE'],
      ['0000:03:00.3', 'CUSTOM_NIC_LINE'],
    ],
  })
  return undefined
})
