import { Argument, Command, CommanderError, Option } from 'commander'
import { EXIT } from '../errors/user-error.js'
import { EXPORT_FORMATS } from '../export/formats.js'
import { MODES } from '../jitter/mode.js'
import { tell, writeAll } from '../report/output.js'
import { printable } from '../units/printable.js'
import { versionText } from '../version.js'

const NICS_FORMATS = ['text', 'json']

/**
 * Runs a command other than a launch. Command modules are loaded when their command runs.
 * @param args the words after `qemu-rt`
 */
export async function runCli(args: readonly string[]): Promise<void> {
  try {
    const root = program()
    await root.parseAsync(args[0] === 'help' ? helpWords(root, args.slice(1)) : args, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    process.exitCode = error.exitCode === 0 ? 0 : EXIT.usage
  }
}

export function program(): Command {
  const root = new Command('qemu-rt')
    .description('QEMU wrapper and argument rewriter for real-time VMs')
    .version(versionText())
    .exitOverride()
    // Commander's own go through streams, whose errors come later and as a stack trace.
    .configureOutput({
      writeOut: (text) => writeAll(1, text),
      writeErr: tell,
      outputError: (text, write) => write(`${printable(oneLineError(text))}\n`),
    })
    .showSuggestionAfterError()
  addRun(root)
  addTune(root)
  addStatus(root)
  addJitter(root)
  addNics(root)
  addHost(root)
  addDomain(root)
  addExport(root)
  addCapture(root)
  addRefresh(root)
  addHook(root)
  addGolden(root)
  refuseRepeated(root)
  return root
}

/** As `run` does: of two values one would be passed over without a word. */
function refuseRepeated(command: Command): void {
  for (const option of command.options) {
    const isFlag = !option.required && !option.optional
    if (isFlag || option.parseArg === collect) continue
    let isGiven = false
    command.on(`option:${option.name()}`, () => {
      if (isGiven) command.error(`error: given more than once: ${option.long}`)
      isGiven = true
    })
  }
  for (const one of command.commands) refuseRepeated(one)
}

/**
 * `help nics bind` as `nics bind --help`: commander's own `help` looks at the first word alone. A word that is no command ends
 * what is given, and commander says so.
 */
function helpWords(root: Command, words: readonly string[]): string[] {
  const path: string[] = []
  let command = root
  for (const word of words) {
    if (command.commands.length === 0) break
    const found = command.commands.find((one) => one.name() === word)
    if (found === undefined) return [...path, word]
    path.push(word)
    command = found
  }
  return [...path, '--help']
}

/**
 * Commander's `error: what` and, on a line of its own, `(Did you mean that?)`. A value that is no choice is refused in the words of
 * `run`. What is left without a way out gets one.
 */
function oneLineError(text: string): string {
  const line = text
    .trimEnd()
    .replace(/^error: /, 'qemu-rt: ')
    .replace(/\n\(Did you mean (?:one of )?(.*)\?\)$/, '; did you mean $1?')
    .replace(
      /option '--(\S+) <[^>]*>' argument '(.*)' is invalid\. Allowed choices are (.*)\.$/s,
      "unknown $1 '$2': --$1; use one of $3",
    )
    .replace(
      /command-argument value '(.*)' is invalid for argument '(.*)'\. Allowed choices are (.*)\.$/s,
      "unknown $2 '$1'; use one of $3",
    )
  return /did you mean|; /.test(line) ? line : `${line.replace(/\.$/, '')}; see --help`
}

/** Only for its help: the launcher carries `run` out. */
function addRun(root: Command): void {
  root
    .command('run')
    .usage('[options] -- QEMU-ARGUMENTS')
    .description(
      "plan and become QEMU, with the same PID and descriptors; libvirt's entry is qemu-rt-system-ARCH",
    )
    .option('--dry-run', 'print the plan and start nothing')
    .addOption(
      new Option('--format <format>', 'of the dry run')
        .choices(['text', 'args', 'json', 'diff'])
        .default('text'),
    )
    .option('--nic <name[,key=value...]>', 'add a vfio-pci device for a named NIC; repeatable')
    .option('--profile <name>', 'profile of the configuration')
    .option('--config <file>', 'configuration', '/etc/qemu-rt/qemu-rt.toml')
    .option('--emulator <path>', 'the real QEMU', '/usr/bin/qemu-system-<architecture of this host>')
    .option('--wait <seconds>', 'wait for NICs and CPUs that other VMs hold', '0')
    .option('--sysroot <dir>', 'read /sys, /proc, /dev and /run beneath a directory', '/')
    .addHelpText(
      'after',
      '\nIn a QEMU command line the same options are spelled --rt-config, --rt-profile, … and --dry-run;' +
        '\nin the environment QEMU_RT_CONFIG, QEMU_RT_PROFILE, QEMU_RT_NIC (separated by blanks), …' +
        '\nA flag beats the environment, which beats the configuration.' +
        '\n\nExit codes: 64 usage, 65 bad input, 69 not available on this host, 77 permission, 78 configuration;' +
        "\notherwise QEMU's own.",
    )
    .action(() => root.error("qemu-rt: 'run' is carried out by the launcher bin/qemu-rt"))
}

function addTune(root: Command): void {
  root
    .command('tune')
    .description('set the CPUs and policies of a running QEMU: as planned, by a profile, or thread by thread')
    .option('--pid <n>', 'the QEMU with this PID, started by qemu-rt or not')
    .option('--domain <name>', 'the QEMU of the guest with this name')
    .option('--all', 'every QEMU that has a plan')
    .option('--profile <name>', 'as this profile of the configuration says, instead of the plan')
    .option('--set <who=cpus[:policy[:priority]]>', 'only these threads; repeatable; see below', collect, [])
    .option('--config <file>', 'configuration (default: /etc/qemu-rt/qemu-rt.toml)')
    .option('--dry-run', 'print the commands that would do it, and do nothing')
    .addHelpText(
      'after',
      '\nWHO is vcpus (one CPU each, in the order written), vcpu:N, iothread:ID, emulator, worker, vhost, io_uring, kvm,' +
        '\nthread-context:ID or name:GLOB; N and ID may be *. Policies are other, batch, idle, fifo and rr.' +
        '\nCPUs may be left out, to leave them as they are:' +
        '\n  qemu-rt tune --domain plc-1 --set emulator=0-1 --set vcpus=4-7:fifo:1 --set iothread:disk=:fifo',
    )
    .action(async (options) => (await import('./tune.js')).tuneCommand(options))
}

function addStatus(root: Command): void {
  root
    .command('status')
    .description('show running VMs, their threads against their plan, and the purpose of each CPU')
    .option('--domain <name>', 'only this guest')
    .option('--drifted', 'only VMs that are not as planned', false)
    .option('--watch', 'redraw until q is pressed', false)
    .option(
      '--interval <seconds>',
      'from one drawing to the next (default: 1); without --watch, how long CPU % is measured (default: 0.5)',
      Number,
    )
    .addOption(
      new Option('--format <format>', 'how to print; prometheus also covers NICs and host checks')
        .choices(['text', 'json', 'prometheus'])
        .default('text'),
    )
    .option(
      '--output [file]',
      'prometheus: write to this file, whole or not at all (without a name: where node_exporter looks)',
    )
    .option('--config <file>', 'configuration (default: /etc/qemu-rt/qemu-rt.toml)')
    .option('--sysroot <dir>', 'show the CPUs of a captured host', '/')
    .action(async (options) =>
      options.format === 'prometheus'
        ? (await import('./status-prometheus.js')).statusPrometheus(options)
        : (await import('./status.js')).status(options),
    )
}

function addJitter(root: Command): void {
  const jitter = root.command('jitter')
  jitter
    .description('measure how long a guest is kept from running on this host, with a guest made for it')
    .addOption(
      new Option('--mode <mode>', 'a guest that spins, or that a timer wakes, or two and a switch')
        .choices([...MODES, 'network'])
        .default('spin'),
    )
    .option('--interval <time>', "the timer's, or from frame to frame, such as 250us (default: 1ms)")
    .option('--vcpus <n>', 'how many real-time vCPUs measure, or "all"', '1')
    .addOption(new Option('--switch <name>', 'network: start this switch').choices(['testpmd']))
    .option('--socket <path>', "network: a running switch's vhost-user port; given twice", collect, [])
    .option('--frame-size <bytes>', 'network: 60 to 1514, without the checksum (default: 64)')
    .option('--echo-profile <name>', 'network: the profile of the second guest (default: as --profile)')
    .option('--fail-over <time>', 'exit with 79 when the worst value is above this, such as 40us')
    .option('--profile <name>', 'run it as this profile of the configuration says (default: best effort)')
    .option('--seconds <n>', 'how long to measure, 2 to 604800', '10')
    .option('--load <command>', 'a shell command to run beside it, such as "stress-ng --cpu 4"')
    .option('--compare', 'best effort and the profile, one after the other')
    // No default of commander's: the network mode refuses it only when it was given.
    .option(
      '--floor <seconds>',
      'how long to measure the host without a VM afterwards: auto (as long, 60 at most), none, or 2 to 86400 seconds (default: auto)',
    )
    .option(
      '--osnoise',
      "have the kernel's osnoise tracer tell what takes the vCPU's CPU: it slows interrupts down a little",
    )
    .option('--report <file>', 'write a page of HTML with pictures, too')
    .addOption(new Option('--accel <name>', 'default: KVM where it works').choices(['kvm', 'tcg']))
    .addOption(new Option('--format <format>', 'how to print').choices(['text', 'json']).default('text'))
    .option('--config <file>', 'configuration (default: /etc/qemu-rt/qemu-rt.toml)')
    .option('--emulator <path>', 'the real QEMU')
    .addHelpText(
      'after',
      '\nExit codes: 0; 79 when the worst is above --fail-over, 64 usage, 69 when the guest does not run as planned, 78 configuration.',
    )
    .action(async (options) =>
      options.mode === 'network'
        ? (await import('./jitter-network.js')).jitterNetworkCommand(options)
        : (await import('./jitter.js')).jitterCommand(options),
    )
  jitter
    .command('diff')
    .description('compare two results: what differs in the host, and what in the result')
    .argument('<before>', 'what jitter --format json has printed')
    .argument('<after>', 'the same of a later run, or of another host')
    .addOption(new Option('--format <format>', 'how to print').choices(['text', 'json']).default('text'))
    // Both commands have --format, and commander gives it to the first, as all that the first knows.
    .action(async (before, after, _options, command) => {
      const [other] = jitter.options.filter(
        (option) =>
          option.long !== '--format' && jitter.getOptionValueSource(option.attributeName()) === 'cli',
      )
      if (other !== undefined) command.error(`error: 'jitter diff' has no option '${other.long}'`)
      ;(await import('./jitter-diff.js')).jitterDiff(before, after, command.optsWithGlobals())
    })
}

function collect(value: string, previous: readonly string[]): string[] {
  return [...previous, value]
}

function addNics(root: Command): void {
  const nics = root
    .command('nics')
    .description("list the host's NICs, save their names, and give them to vfio-pci")
  const configured = (command: Command) =>
    command.option('--config <file>', 'configuration (default: /etc/qemu-rt/qemu-rt.toml)')
  const beneath = 'read /sys, /proc, /dev, /run and /var/lib/qemu-rt beneath a directory'
  const hostOptions = (command: Command, sysroot = beneath) =>
    configured(command).option('--sysroot <dir>', sysroot, '/')
  // Not offered, but known, so that whoever gives it is told why it cannot be.
  const changingOptions = (command: Command) =>
    configured(command).addOption(new Option('--sysroot <dir>').default('/').hideHelp())
  const format = () => new Option('--format <format>', 'how to print').choices(NICS_FORMATS).default('text')
  hostOptions(nics.command('list').description('list all NICs, one per line'))
    .addOption(format())
    .action(async (options) => (await import('./nics/list.js')).listNics(options))
  hostOptions(
    nics
      .command('show')
      .argument('<name>', 'a NIC, a pool, or a PCI address')
      .description('show all that is known of one NIC or pool, and why a VM cannot have it'),
  )
    .addOption(format())
    .action(async (name, options) => (await import('./nics/show.js')).showNic(name, options))
  hostOptions(nics.command('scan'), `${beneath}, and save in its /var/lib/qemu-rt/nics.json`)
    .description('save names and MAC addresses, so that NICs can be found when vfio-pci has them')
    .action(async (options) => (await import('./nics/scan.js')).scanNics(options))
  changingOptions(nics.command('bind').argument('<name>', 'a NIC, a pool, or a PCI address'))
    .description('give NICs to vfio-pci, for good where driverctl is installed, else until the next boot')
    .option('--force', 'even if the host uses them', false)
    .action(async (name, options) => (await import('./nics/bind.js')).bindNics(name, options))
  changingOptions(nics.command('unbind').argument('<name>', 'a NIC, a pool, or a PCI address'))
    .description("give NICs back to the host's drivers")
    .action(async (name, options) => (await import('./nics/unbind.js')).unbindNics(name, options))
}

function addHost(root: Command): void {
  const host = root.command('host').description('check and prepare this host for real-time VMs')
  host
    .command('check')
    .description(
      'show what this host lacks for real-time VMs, why it matters, and how to mend it; changes nothing',
    )
    .addOption(new Option('--format <format>', 'how to print').choices(['text', 'json']).default('text'))
    .option('--profile <name>', 'for this profile of the configuration alone (default: for all)')
    .option('--strict', 'exit with 69 for a warning, too', false)
    .option('--config <file>', 'configuration (default: /etc/qemu-rt/qemu-rt.toml)')
    .option('--sysroot <dir>', 'check a captured host', '/')
    .addHelpText(
      'after',
      '\nRun it as root: what another user may not read is NOT KNOWN, never PASS.' +
        '\nExit codes: 0 when nothing fails, 69 otherwise; 64 usage, 65 bad input, 77 permission, 78 configuration.',
    )
    .action(async (options) => (await import('./host/check.js')).hostCheck(options))
  const beneath = new Option('--sysroot <dir>', 'change the files beneath a directory instead').default('/')
  host
    .command('apply')
    .description(
      'set what host check finds missing, now and for each boot; the kernel command line is printed, not changed',
    )
    .option('--dry-run', 'print what would be done, and do nothing', false)
    .option('--yes', 'do not ask', false)
    .option('--at-boot', 'what the unit runs: set what does not last, without asking; write no files', false)
    .option('--config <file>', 'configuration (default: /etc/qemu-rt/qemu-rt.toml)')
    .addOption(beneath)
    .addHelpText(
      'after',
      "\nWhat was there before is kept in /var/lib/qemu-rt/host-apply.json for host undo. What tuned's active profile sets" +
        '\nis left alone. Values are set for the CPUs of [host] and for the host as a whole, never for other CPUs.' +
        '\nExit codes: 0; 69 when the kernel refuses a value or a file cannot be written, 64 usage, 77 permission, 78 configuration.',
    )
    .action(async (options) => (await import('./host/apply.js')).hostApply(options))
  host
    .command('undo')
    .description('put back all that host apply has changed, also after a reboot')
    .option('--dry-run', 'print what would be put back, and do nothing', false)
    .addOption(beneath)
    .addHelpText(
      'after',
      '\nWhat somebody else has changed since is left and named. Exit codes: 0; 69 when something is left, 77 permission.',
    )
    .action(async (options) => (await import('./host/undo.js')).hostUndo(options))
  host
    .command('isolate')
    .description(
      'keep everything but VMs and the switch off their CPUs by cpuset partitions, in place of isolcpus=',
    )
    .option('--dry-run', 'print what would be done, and do nothing', false)
    .option('--undo', 'put back what host isolate has changed', false)
    .option('--at-boot', 'what the unit runs: make the partition, write no files', false)
    .option('--config <file>', 'configuration (default: /etc/qemu-rt/qemu-rt.toml)')
    .addOption(beneath)
    .addHelpText(
      'after',
      "\nNeeds cgroup v2 and Linux 6.8. libvirt's hook lends a VM its CPUs while it runs, and tune as root brings others there; see docs/host-isolate.md." +
        '\nExit codes: 0; 69 when the kernel does not isolate the CPUs or a VM has one, 77 permission, 78 configuration.',
    )
    .action(async (options) => (await import('./host/isolate.js')).hostIsolate(options))
}

function addDomain(root: Command): void {
  const domain = root
    .command('domain')
    .description("show what the wrapper does for a libvirt domain's XML, or move it into native elements")
  const options = (command: Command) =>
    command
      .argument('<file>', "what 'virsh dumpxml' prints; - is stdin")
      .option('--config <file>', 'configuration (default: /etc/qemu-rt/qemu-rt.toml)')
      .option('--profile <name>', 'profile of the configuration, when the domain asks for none')
      .option('--sysroot <dir>', 'read /sys, /proc, /dev and /run beneath a directory', '/')
  options(
    domain
      .command('plan')
      .description('show what the wrapper would do; if libvirt runs here, with its full command line'),
  )
    .addOption(
      new Option('--format <format>', 'how to print')
        .choices(['text', 'args', 'json', 'diff'])
        .default('text'),
    )
    .action(async (file, given) => (await import('./domain/plan.js')).domainPlan(file, given))
  options(
    domain
      .command('native')
      .description('print the XML with everything that libvirt can do itself moved into native elements'),
  ).action(async (file, given) => (await import('./domain/native.js')).domainNative(file, given))
}

function addExport(root: Command): void {
  root
    .command('export')
    .description("print this host's NICs as the inventory of another system")
    .addArgument(new Argument('<format>', 'the system that reads it').choices(Object.keys(EXPORT_FORMATS)))
    .option(
      '--output [file]',
      'write to this file, whole or not at all (without a name: where that system looks)',
    )
    .option('--expires <seconds>', 'nfd: the labels end after this time unless written again, 60 to 2592000')
    .option('--config <file>', 'configuration (default: /etc/qemu-rt/qemu-rt.toml)')
    .option('--sysroot <dir>', 'read /sys, /proc, /dev, /run and /var/lib/qemu-rt beneath a directory', '/')
    .action(async (format, options) => (await import('./export.js')).exportCommand(format, options))
}

function addCapture(root: Command): void {
  root
    .command('capture')
    .argument('<directory>', 'where to; empty, or not there yet')
    .description(
      'copy the files of this host that plans and host check read; with --sysroot any machine plans for it',
    )
    .option('--anonymize', 'without serial numbers, and with made-up MAC addresses', false)
    .option('--sysroot <dir>', 'capture a captured host', '/')
    .action(async (directory, options) => (await import('./capture.js')).capture(directory, options))
}

function addRefresh(root: Command): void {
  root
    .command('refresh')
    .description('have libvirt ask an upgraded QEMU for its capabilities; systemd runs it')
    .option('--config <file>', 'configuration (default: /etc/qemu-rt/qemu-rt.toml)')
    .action(async (options) => (await import('./refresh.js')).refresh(options))
}

function addHook(root: Command): void {
  root
    .command('hook')
    .argument('<domain>')
    .argument('<operation>', 'prepare, started, reconnect or release; others do nothing')
    .argument('<suboperation>')
    .argument('[extra]')
    .description("what libvirt's hook runs, with the domain's XML on stdin")
    .action(async (...args) => (await import('./hook.js')).hookCommand(args.slice(0, 3)))
}

function addGolden(root: Command): void {
  const golden = root.command('golden').description('test command lines against the plans expected for them')
  golden
    .command('verify')
    .argument('<dir...>', 'a case, or directories with cases below')
    .description('plan every case and compare with what it expects')
    .action(async (directories) => (await import('./golden.js')).goldenVerify(directories))
  golden
    .command('update')
    .argument('<dir...>', 'a case, or directories with cases below')
    .description('rewrite what every case expects')
    .action(async (directories) => (await import('./golden.js')).goldenUpdate(directories))
}
