/** What QEMU's option table says of one option, and what a wrapper must know besides. */
export interface OptionSpec {
  /** Name without dashes; case matters. */
  readonly name: string
  /** Whether the next word is its argument, whatever that looks like. */
  readonly takesArgument: boolean
  /** `keyval` has keys (or JSON), `plain` is one text, `flag` has no argument. */
  readonly syntax: 'flag' | 'keyval' | 'plain'
  /** Key of the first word of a keyval argument when that has no `=`. */
  readonly impliedKey?: string
  /** An argument that starts with `{` is JSON. */
  readonly json?: true
  /** In the name of a key `_` is the same as `-` (system/vl.c, keyval_dashify, for -machine; target/i386/cpu.c, feat2prop). */
  readonly dashes?: true
  /**
   * `+key` and `-key` turn a key on and off, whatever `key=value` says, and the latter goes before the former
   * (target/i386/cpu.c, x86_cpu_expand_features).
   */
  readonly signs?: true
  /** Given twice: two things (`list`), one thing whose keys merge (`merge`), or the last one counts (`last`). */
  readonly repeats: 'list' | 'merge' | 'last'
  /** First QEMU version that has it; absent for 4.2 and before. */
  readonly since?: string
  /** First QEMU version that has it no more. */
  readonly removed?: string
  readonly aliasOf?: string
  /** With `help` as its argument, or as a word of it (`driver,help`), QEMU prints and ends. */
  readonly help?: true
}

type More = Pick<OptionSpec, 'json' | 'dashes' | 'signs' | 'since' | 'removed' | 'aliasOf' | 'help'>

const flag = (name: string, more: More = {}): OptionSpec => {
  return { name, takesArgument: false, syntax: 'flag', repeats: 'last', ...more }
}

const plain = (name: string, repeats: OptionSpec['repeats'], more: More = {}): OptionSpec => {
  return { name, takesArgument: true, syntax: 'plain', repeats, ...more }
}

const keyval = (
  name: string,
  impliedKey: string | null,
  repeats: OptionSpec['repeats'],
  more: More = {},
): OptionSpec => {
  const implied = impliedKey === null ? {} : { impliedKey }
  return { name, takesArgument: true, syntax: 'keyval', ...implied, repeats, ...more }
}

/**
 * Every option of QEMU 4.2 to 11.1, with those that went before 4.2 and still stand in old command lines.
 * Sources: qemu-options.hx of those versions; for `removed` docs/about/removed-features.rst, and the first
 * qemu-options.hx without it where the two differ (tdf); implied keys and merging
 * from the QemuOptsList tables (system/vl.c, formerly softmmu/vl.c; util/qemu-config.c; net/net.c; chardev/char.c) and
 * from what vl.c does with the argument. `help` is what QEMU 7.2 does; from source for soundhw, watchdog (gone in 7.2),
 * run-with, and for nic, where it works but in 7.x ("net: Restore printing of the help text with -nic help", 8.0).
 * QEMU reads -cpu by itself: its first word is called `model` here.
 */
export const OPTIONS: readonly OptionSpec[] = [
  keyval('accel', 'accel', 'list', { help: true }),
  keyval('acpitable', 'data', 'list'),
  keyval('action', null, 'merge', { help: true, since: '6.0' }),
  keyval('add-fd', null, 'list', { help: true }),
  flag('alt-grab', { removed: '7.1' }),
  plain('append', 'last'),
  flag('async-teardown', { since: '7.2', removed: '9.0' }),
  keyval('audio', 'driver', 'list', { help: true, since: '7.1' }),
  flag('audio-help', { removed: '8.2' }),
  keyval('audiodev', 'driver', 'list', { json: true, help: true }),
  plain('balloon', 'last', { removed: '3.1' }),
  plain('bios', 'last'),
  keyval('blockdev', 'driver', 'list', { json: true }),
  keyval('boot', 'order', 'merge', { help: true }),
  plain('bootp', 'list', { removed: '3.1' }),
  plain('bt', 'list', { removed: '5.0' }),
  plain('cdrom', 'list'),
  keyval('chardev', 'backend', 'list', { help: true }),
  plain('chroot', 'last', { removed: '9.0' }),
  plain('clock', 'last', { removed: '4.0' }),
  keyval('compat', null, 'last', { json: true, since: '6.0' }),
  keyval('cpu', 'model', 'last', { help: true, dashes: true, signs: true }),
  flag('ctrl-grab', { removed: '7.1' }),
  flag('curses', { removed: '7.1' }),
  plain('D', 'last'),
  plain('d', 'last', { help: true }),
  flag('daemonize'),
  plain('debugcon', 'list'),
  keyval('device', 'driver', 'list', { json: true, help: true }),
  plain('dfilter', 'last'),
  keyval('display', 'type', 'last', { json: true, help: true }),
  keyval('drive', null, 'list'),
  plain('dtb', 'last'),
  plain('dump-vmstate', 'last'),
  plain('echr', 'last'),
  flag('enable-fips', { removed: '7.1' }),
  flag('enable-hax', { removed: '4.0' }),
  flag('enable-kvm'),
  flag('enable-sync-profile'),
  plain('fda', 'list'),
  plain('fdb', 'list'),
  keyval('fsdev', 'fsdriver', 'list'),
  flag('full-screen'),
  keyval('fw_cfg', 'name', 'list'),
  plain('g', 'last'),
  plain('gdb', 'last'),
  keyval('global', null, 'list', { help: true }),
  flag('h', { aliasOf: 'help' }),
  plain('hda', 'list'),
  plain('hdachs', 'list', { removed: '2.12' }),
  plain('hdb', 'list'),
  plain('hdc', 'list'),
  plain('hdd', 'list'),
  flag('help'),
  keyval('icount', 'shift', 'merge'),
  keyval('incoming', null, 'last', { json: true }),
  plain('initrd', 'last'),
  keyval('iscsi', null, 'list', { help: true }),
  flag('jitdump', { since: '8.0' }),
  plain('k', 'last'),
  plain('kernel', 'last'),
  plain('L', 'list'),
  plain('loadvm', 'last'),
  flag('localtime', { removed: '3.1' }),
  keyval('M', 'type', 'merge', { help: true, dashes: true, aliasOf: 'machine' }),
  keyval('m', 'size', 'merge'),
  keyval('machine', 'type', 'merge', { help: true, dashes: true }),
  plain('mem-path', 'last'),
  flag('mem-prealloc'),
  keyval('mon', 'chardev', 'list'),
  plain('monitor', 'list'),
  keyval('msg', null, 'last', { help: true }),
  plain('mtdblock', 'list'),
  keyval('name', 'guest', 'merge'),
  keyval('net', 'type', 'list'),
  keyval('netdev', 'type', 'list', { json: true, help: true }),
  keyval('nic', 'type', 'list', { help: true }),
  flag('no-acpi', { removed: '9.0' }),
  flag('no-fd-bootchk'),
  flag('no-frame', { removed: '4.0' }),
  flag('no-hpet', { removed: '9.0' }),
  flag('no-kvm', { removed: '5.2' }),
  flag('no-kvm-irqchip', { removed: '3.0' }),
  flag('no-kvm-pit', { removed: '2.12' }),
  flag('no-kvm-pit-reinjection', { removed: '3.0' }),
  flag('no-quit', { removed: '7.0' }),
  flag('no-reboot'),
  flag('no-shutdown'),
  flag('no-user-config'),
  flag('nodefaults'),
  flag('nodefconfig', { removed: '3.1' }),
  flag('nographic'),
  keyval('numa', 'type', 'list'),
  keyval('object', 'qom-type', 'list', { json: true, help: true }),
  flag('old-param', { removed: '10.2' }),
  flag('only-migratable'),
  keyval('option-rom', 'romfile', 'list'),
  keyval('overcommit', null, 'merge', { help: true }),
  plain('parallel', 'list'),
  flag('perfmap', { since: '8.0' }),
  plain('pflash', 'list'),
  plain('pidfile', 'last'),
  keyval('plugin', 'file', 'list', { help: true }),
  flag('portrait', { removed: '9.2' }),
  flag('preconfig'),
  plain('prom-env', 'list'),
  plain('qmp', 'list'),
  plain('qmp-pretty', 'list'),
  plain('qtest', 'last'),
  plain('qtest-log', 'last'),
  plain('readconfig', 'list'),
  keyval('realtime', null, 'merge', { removed: '6.0' }),
  plain('redir', 'list', { removed: '3.1' }),
  plain('rotate', 'last', { removed: '9.2' }),
  keyval('rtc', null, 'merge', { help: true }),
  flag('rtc-td-hack', { removed: '3.1' }),
  keyval('run-with', null, 'merge', { help: true, since: '8.1' }),
  plain('runas', 'last', { removed: '10.0' }),
  flag('S'),
  flag('s'),
  keyval('sandbox', 'enable', 'list'),
  plain('sd', 'list'),
  flag('sdl', { removed: '7.1' }),
  plain('seed', 'last'),
  flag('semihosting'),
  keyval('semihosting-config', 'enable', 'merge'),
  plain('serial', 'list'),
  plain('set', 'list'),
  plain('shim', 'last', { since: '10.0' }),
  flag('show-cursor', { removed: '6.0' }),
  flag('singlestep', { removed: '9.0' }),
  plain('smb', 'list', { removed: '3.1' }),
  keyval('smbios', null, 'list'),
  keyval('smp', 'cpus', 'merge', { help: true }),
  flag('snapshot'),
  plain('soundhw', 'list', { help: true, removed: '7.1' }),
  keyval('spice', null, 'list', { help: true }),
  plain('startdate', 'last', { removed: '3.1' }),
  plain('tb-size', 'last', { removed: '6.0' }),
  flag('tdf', { removed: '3.0' }),
  plain('tftp', 'list', { removed: '3.1' }),
  keyval('tpmdev', 'type', 'list', { help: true }),
  keyval('trace', 'enable', 'list', { help: true }),
  flag('usb'),
  plain('usbdevice', 'list'),
  plain('uuid', 'last'),
  flag('version'),
  plain('vga', 'last', { help: true }),
  keyval('virtfs', 'fsdriver', 'list'),
  flag('virtfs_synth', { removed: '5.0' }),
  plain('virtioconsole', 'list', { removed: '4.0' }),
  keyval('vnc', 'vnc', 'list', { help: true }),
  plain('watchdog', 'last', { help: true, removed: '7.2' }),
  plain('watchdog-action', 'last'),
  flag('win2k-hack'),
  plain('writeconfig', 'list', { removed: '7.1' }),
  flag('xen-attach'),
  flag('xen-create', { removed: '4.0' }),
  plain('xen-domid', 'last'),
  flag('xen-domid-restrict'),
]

const BY_NAME = new Map(OPTIONS.map((option) => [option.name, option]))

/**
 * Looks an option up as it is spelled on the command line: `--x` is `-x` (system/vl.c, lookup_opt). `-M` and `-h` are
 * entries of their own with `aliasOf`.
 * @returns null for one that no known QEMU has, and for a word that is no option
 */
export function findOption(spelled: string): OptionSpec | null {
  return spelled.startsWith('-') ? (BY_NAME.get(spelled.replace(/^--?/, '')) ?? null) : null
}
