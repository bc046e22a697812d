/** A way to change the kernel's command line. */
interface Bootloader {
  readonly name: string
  /** It is used where one of each of these lists is there. */
  readonly signs: readonly (readonly string[])[]
  /** What to do, a line each. */
  readonly advice: (parameters: string) => readonly string[]
}

const GRUB_DIRECTORY = '/etc/default/grub.d'
const GRUB_MKCONFIG = ['/usr/sbin/grub2-mkconfig', '/sbin/grub2-mkconfig', '/usr/sbin/grub-mkconfig']
const UPDATE_GRUB = ['/usr/sbin/update-grub', '/sbin/update-grub']
const LOADER_CONF = ['/boot/loader/loader.conf', '/efi/loader/loader.conf', '/boot/efi/loader/loader.conf']

/** Parameters are names, numbers and lists of CPUs, so nothing in them means anything to a shell within double quotes. */
const BOOTLOADERS: readonly Bootloader[] = [
  {
    name: 'kernelstub',
    signs: [['/usr/bin/kernelstub', '/etc/kernelstub/configuration']],
    advice: (parameters) => [`kernelstub --add-options "${parameters}"`],
  },
  {
    name: 'proxmox-boot-tool',
    signs: [['/usr/sbin/proxmox-boot-tool'], ['/etc/kernel/proxmox-boot-uuids'], ['/etc/kernel/cmdline']],
    advice: (parameters) => [
      `add to the line in /etc/kernel/cmdline: ${parameters}`,
      'then run: proxmox-boot-tool refresh',
    ],
  },
  {
    name: 'grubby',
    signs: [['/usr/sbin/grubby', '/sbin/grubby', '/usr/bin/grubby']],
    advice: (parameters) => [`grubby --update-kernel=ALL --args="${parameters}"`],
  },
  {
    name: 'GRUB',
    signs: [UPDATE_GRUB, [GRUB_DIRECTORY]],
    advice: (parameters) => [
      `write into ${GRUB_DIRECTORY}/90-qemu-rt.cfg: GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX ${parameters}"`,
      'then run: update-grub',
    ],
  },
  {
    name: 'GRUB',
    signs: [UPDATE_GRUB, ['/etc/default/grub']],
    advice: (parameters) => [
      `add to GRUB_CMDLINE_LINUX in /etc/default/grub: ${parameters}`,
      'then run: update-grub',
    ],
  },
  {
    name: 'GRUB',
    signs: [GRUB_MKCONFIG, ['/etc/default/grub']],
    advice: (parameters) => [
      `add to GRUB_CMDLINE_LINUX in /etc/default/grub: ${parameters}`,
      'then run grub2-mkconfig -o (or grub-mkconfig -o) with the path of your grub.cfg',
    ],
  },
  {
    name: 'systemd-boot',
    signs: [['/usr/bin/kernel-install', '/bin/kernel-install'], LOADER_CONF],
    advice: (parameters) => [
      `add to the line in /etc/kernel/cmdline (when there is none, make it of /proc/cmdline without BOOT_IMAGE= and initrd=): ${parameters}`,
      'then run: kernel-install add "$(uname -r)" "/boot/vmlinuz-$(uname -r)"',
    ],
  },
]

/** Files by which a bootloader is recognised. */
export const BOOTLOADER_SIGNS = [...new Set(BOOTLOADERS.flatMap(({ signs }) => signs.flat()))]

/**
 * Says how parameters get onto the kernel's command line.
 * @param there which of `BOOTLOADER_SIGNS` are on the host
 */
export function bootloaderAdvice(
  there: ReadonlySet<string>,
  parameters: string,
): { readonly name: string | null; readonly lines: readonly string[] } {
  const found = BOOTLOADERS.find(({ signs }) => signs.every((any) => any.some((path) => there.has(path))))
  return found === undefined
    ? { name: null, lines: [`add to the kernel's command line, as your bootloader has it: ${parameters}`] }
    : { name: found.name, lines: found.advice(parameters) }
}
