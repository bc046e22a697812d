import t from 'tap'
import { bootloaderAdvice } from '../../src/change/host/bootloader.js'

const PARAMETERS = 'isolcpus=managed_irq,domain,2-3 skew_tick=1'

const HOSTS: readonly [name: string | null, there: readonly string[], advice: RegExp][] = [
  ['kernelstub', ['/usr/bin/kernelstub', '/boot/efi/loader/loader.conf'], /^kernelstub --add-options "isol/],
  ['grubby', ['/usr/sbin/grubby', '/etc/default/grub'], /^grubby --update-kernel=ALL --args="isolcpus/],
  [
    'GRUB',
    ['/usr/sbin/update-grub', '/etc/default/grub', '/etc/default/grub.d'],
    /grub\.d\/90-qemu-rt\.cfg: GRUB_CMDLINE_LINUX="\$GRUB_CMDLINE_LINUX isolcpus=.*"\nthen run: update-grub$/,
  ],
  ['GRUB', ['/usr/sbin/update-grub', '/etc/default/grub'], /^add to GRUB_CMDLINE_LINUX in .*update-grub$/s],
  ['GRUB', ['/usr/sbin/grub2-mkconfig', '/etc/default/grub'], /grub2-mkconfig -o/],
  ['systemd-boot', ['/usr/bin/kernel-install', '/efi/loader/loader.conf'], /kernel-install add/],
  [
    'proxmox-boot-tool',
    [
      '/usr/sbin/proxmox-boot-tool',
      '/etc/kernel/proxmox-boot-uuids',
      '/etc/kernel/cmdline',
      '/usr/sbin/update-grub',
    ],
    /proxmox-boot-tool refresh$/,
  ],
  [null, [], /as your bootloader has it/],
]

for (const [name, there, advice] of HOSTS)
  t.test(`${name ?? 'none'}: ${there.join(' ')}`, async (t) => {
    const found = bootloaderAdvice(new Set(there), PARAMETERS)
    t.equal(found.name, name)
    t.match(found.lines.join('\n'), advice)
    t.ok(found.lines.join('\n').includes(PARAMETERS))
  })
