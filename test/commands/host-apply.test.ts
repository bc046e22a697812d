import { chmodSync, cpSync, lstatSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { runAsNobody, whyNotNobody } from '../as-nobody.js'
import { qemuRt } from '../launcher/run.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const config = `${root}fixtures/checks/unprepared/qemu-rt.toml`

function copy(t: Test): string {
  const host = t.testdir({})
  cpSync(`${root}fixtures/hosts/check-unprepared`, host, { recursive: true })
  chmodSync(host, 0o755)
  for (const entry of readdirSync(host, { recursive: true, withFileTypes: true })) {
    const path = `${entry.parentPath}/${entry.name}`
    if (!entry.isSymbolicLink()) chmodSync(path, lstatSync(path).mode & 0o7755)
  }
  return host
}

const run = (command: string, ...args: string[]) => qemuRt(['host', command, ...args])

t.test('it prints, does and undoes', async (t) => {
  const host = copy(t)
  const apply = (...args: string[]) => run('apply', '--sysroot', host, '--config', config, ...args)
  const sysctl = `${host}/etc/sysctl.d/91-qemu-rt.conf`
  const dry = apply('--dry-run')
  t.match(dry, { status: 0, stderr: '' })
  t.match(dry.stdout, /^ {2}\/proc\/sys\/kernel\/nmi_watchdog: 1 → 0 \(kernel\.nmi-watchdog\)$/m)
  t.match(dry.stdout, /isolcpus=managed_irq,domain,2-3 .*nohz_full=2-3/)
  t.equal(lstatSync(sysctl, { throwIfNoEntry: false }), undefined, 'a dry run does nothing')
  t.match(apply('--yes'), { status: 0, stdout: /changes made; qemu-rt host undo puts them back\.\n$/ })
  t.match(readFileSync(sysctl, 'utf8'), /^kernel\.nmi_watchdog = 0$/m)
  t.match(apply('--yes'), {
    status: 0,
    stderr: '',
    stdout: /Set now:\n {2}nothing[\s\S]*Nothing was changed/,
  })
  t.match(apply('--at-boot'), { status: 0, stdout: /^Set now:\n/ })
  t.match(run('undo', '--sysroot', host, '--dry-run').stdout, /^would put back .*91-qemu-rt\.conf$/m)
  t.match(run('undo', '--sysroot', host), { status: 0, stderr: '' })
  t.equal(lstatSync(sysctl, { throwIfNoEntry: false }), undefined)
  t.match(run('undo', '--sysroot', host), { status: 0, stdout: /^Nothing to put back/ })
})

t.test('it asks nobody without a terminal, and does nothing then', async (t) => {
  t.match(run('apply', '--sysroot', copy(t), '--config', config), {
    status: 64,
    stdout: '',
    stderr: /^qemu-rt: .*--yes.*\n$/,
  })
})

t.test("that it wants root's rights is said first, terminal or not", { skip: whyNotNobody() }, async (t) => {
  const program = `
    import { hostApply } from './src/commands/host/apply.js'
    const options = { sysroot: '/', dryRun: false, yes: false, atBoot: false }
    await hostApply(options).catch(({ exitCode, message }) => console.log(JSON.stringify({ exitCode, message })))`
  t.match(runAsNobody(t, program), { exitCode: 77, message: /root/ })
})

t.test('it goes by [host] alone', async (t) => {
  const host = copy(t)
  const other = `${t.testdirName}.toml`
  t.teardown(() => writeFileSync(other, ''))
  const apply = (text: string) => {
    writeFileSync(other, text)
    return run('apply', '--sysroot', host, '--config', other, '--yes')
  }
  t.match(apply('[host]\nhousekeeping = "0"\n'), {
    status: 78,
    stdout: '',
    stderr: /\[host\], such as: housekeeping = "\d.*", realtime = "[\d,-]*3"\n$/,
  })
  t.match(apply('[host]\nhousekeeping = "0"\nrealtime = "2-9"\n'), {
    status: 78,
    stdout: '',
    stderr: /realtime has CPUs 4-9, and this host has CPUs 0-3 alone\): \S+; correct \[host\]/,
  })
})

t.test('a record that is no record is not taken for none', async (t) => {
  const host = copy(t)
  run('apply', '--sysroot', host, '--config', config, '--yes')
  writeFileSync(
    `${host}/var/lib/qemu-rt/host-apply.json`,
    '{"version": 1, "boot": "", "changes": [{"kind": 1}]}',
  )
  for (const command of ['apply', 'undo'])
    t.match(run(command, '--sysroot', host, ...(command === 'apply' ? ['--config', config, '--yes'] : [])), {
      status: 77,
      stderr: /host-apply\.json/,
    })
})
