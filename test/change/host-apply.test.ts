import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { type Access, accessTo, Refused } from '../../src/change/host/access.js'
import { applyHost } from '../../src/change/host/apply.js'
import {
  type HostPlan,
  MODPROBE_FILE,
  planHost,
  SYSCTL_FILE,
  UNIT_FILE,
  UNIT_LINK,
} from '../../src/change/host/plan.js'
import { type Change, readApplyRecord } from '../../src/change/host/record.js'
import { lookAtUndo, undoHost } from '../../src/change/host/undo.js'
import type { Step } from '../../src/change/step.js'
import type { Subject } from '../../src/checks/check.js'
import { readSubject } from '../../src/commands/host/subject.js'
import { openSysroot, type Root } from '../../src/host/sysroot.js'

const HOSTS = ['container', 'numa', 'ready', 'rhel', 'smt', 'tuned', 'unprepared']
const THP = '/sys/kernel/mm/transparent_hugepage/enabled'
const BOOT_ID = '/proc/sys/kernel/random/boot_id'

/** A copy of a fixture host that may be changed, and threads that are set by name. */
interface MadeHost {
  readonly root: Root
  readonly access: Access
  readonly threads: Map<string, string>
  readonly plan: () => Promise<HostPlan>
  readonly subject: () => Promise<Subject>
}

function made(t: Test, name: string): MadeHost {
  const directory = t.testdir({})
  cpSync(`fixtures/hosts/check-${name}`, directory, { recursive: true, verbatimSymlinks: true })
  closeToOthers(directory)
  const root = openSysroot(directory)
  const threads = new Map<string, string>()
  const files = accessTo(root)
  const subject = () =>
    readSubject({ config: `fixtures/checks/${name}/qemu-rt.toml`, sysroot: directory, isRoots: false })
  return {
    root,
    threads,
    subject,
    plan: async () => {
      const plan = planHost({
        subject: await subject(),
        launcher: '/usr/local/bin/qemu-rt',
        config: null,
        signs: new Set(),
        hasSystemd: true,
      })
      for (const { kind, target, now } of plan.runtime)
        if (kind !== 'file' && !threads.has(`${kind} ${target}`)) threads.set(`${kind} ${target}`, now ?? '')
      return plan
    },
    access: {
      read: (one) =>
        one.kind === 'file' ? files.read(one) : (threads.get(`${one.kind} ${one.target}`) ?? null),
      write: (one, text) => {
        if (one.kind === 'file') return files.write(one, text)
        threads.set(`${one.kind} ${one.target}`, text.trim())
      },
    },
  }
}

/** A checkout may have been made with a umask that lets a group write. */
function closeToOthers(directory: string): void {
  chmodSync(directory, 0o755)
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    const path = `${entry.parentPath}/${entry.name}`
    if (!entry.isSymbolicLink()) chmodSync(path, lstatSync(path).mode & 0o7755)
  }
}

/** All that is beneath a directory: kind, mode and content. */
function snapshot({ root, threads }: MadeHost): string[] {
  // With types: without them Node follows links, and round in a circle.
  const entries = readdirSync(root, { recursive: true, withFileTypes: true })
  const paths = entries.map(({ parentPath, name }) => `${parentPath}/${name}`.slice(root.length + 1)).sort()
  const files = paths.map((path) => {
    const stats = lstatSync(`${root}/${path}`)
    const content = stats.isSymbolicLink()
      ? readlinkSync(`${root}/${path}`)
      : stats.isFile()
        ? readFileSync(`${root}/${path}`, 'latin1')
        : ''
    return `${path} ${stats.mode.toString(8)} ${content}`
  })
  return [...files, ...[...threads].map(([name, value]) => `thread ${name} ${value}`)]
}

async function undo(host: MadeHost) {
  const record = readApplyRecord(host.root)
  return record === null ? [] : undoHost(host, record)
}

/** Where a file stood before that apply adds to, with bytes that are no text. */
function writeBefore(root: Root, path: string, text: string, mode: number): void {
  mkdirSync(`${root}${path.slice(0, path.lastIndexOf('/'))}`, { recursive: true, mode: 0o755 })
  writeFileSync(root + path, text, 'latin1')
  chmodSync(root + path, mode)
}

for (const name of HOSTS) {
  t.test(
    `${name}: apply and undo leave the host as it was, and a second apply changes nothing`,
    async (t) => {
      const host = made(t, name)
      const plan = await host.plan()
      const before = snapshot(host)
      const { changed, refused } = await applyHost(host, plan)
      t.ok(changed > 0, 'there is something to do')
      t.strictSame(refused, [])
      const applied = snapshot(host)
      t.notSame(applied, before)
      // Threads of a captured host are in a file that apply does not write, so the second plan has them again.
      const again = await host.plan()
      t.strictSame(
        again.runtime.filter(({ kind }) => kind === 'file').map(({ target }) => target),
        [],
        'nothing is left to set',
      )
      t.match(await applyHost(host, again), { changed: 0 })
      t.strictSame(snapshot(host), applied)
      await undo(host)
      t.strictSame(snapshot(host), before)
    },
  )

  t.test(`${name}: whichever step fails or is the last, all can be put back`, async (t) => {
    const host = made(t, name)
    writeBefore(host.root, SYSCTL_FILE, 'vm.laptop_mode = 0', 0o640)
    const plan = await host.plan()
    const before = snapshot(host)
    const failing = (at: number, isKilled: boolean) => (steps: readonly Step<Change>[]) =>
      steps.map((step, index) => ({
        ...step,
        make: async () => {
          if (index !== at) return step.make()
          // Half of the killed ones have done their work.
          if (isKilled && at % 2 === 0) await step.make()
          throw new Error('made to fail')
        },
        // A process that was killed undoes nothing.
        undo: isKilled
          ? () => {
              throw new Error('killed')
            }
          : step.undo,
      }))
    let count = 0
    await applyHost(host, plan, (steps) => {
      count = steps.length
      return []
    })
    t.ok(count > 3)
    const once = await host.plan()
    for (let at = 0; at < count; at++) {
      await t.rejects(applyHost(host, once, failing(at, false)), /made to fail/)
      t.strictSame(snapshot(host), before, `step ${at} failed: nothing is left of it`)
      await t.rejects(applyHost(host, once, failing(at, true)), /made to fail/)
      await undo(host)
      t.strictSame(snapshot(host), before, `killed at step ${at}: undone`)
    }
    await t.rejects(applyHost(host, once, failing(Math.floor(count / 2), true)), /made to fail/)
    await applyHost(host, await host.plan())
    await undo(host)
    t.strictSame(snapshot(host), before, 'half done, then done, then undone')
  })

  t.test(`${name}: nothing is set for CPUs that are not real-time`, async (t) => {
    const host = made(t, name)
    const { sets } = await host.subject()
    const { runtime } = await host.plan()
    for (const { target } of runtime.filter(({ kind }) => kind === 'file')) {
      const cpu = /\/(?:cpu|machinecheck)(\d+)\//.exec(target)?.[1]
      if (cpu !== undefined) t.ok(sets.realtime.includes(Number(cpu)), target)
    }
  })
}

t.test('any file that was there gets its bytes and mode back', async (t) => {
  const host = made(t, 'unprepared')
  const plan = await host.plan()
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 60 }),
      fc.constantFrom(0o600, 0o640, 0o644),
      fc.constantFrom(SYSCTL_FILE, MODPROBE_FILE, UNIT_FILE),
      async (bytes, mode, path) => {
        const text = Buffer.from(bytes).toString('latin1')
        writeBefore(host.root, path, text, mode)
        const before = snapshot(host)
        await applyHost(host, plan)
        const now = readFileSync(host.root + path, 'latin1')
        const isKept = now.startsWith(text) && now.includes('qemu-rt host apply')
        await undo(host)
        const isBack = JSON.stringify(snapshot(host)) === JSON.stringify(before)
        rmSync(host.root + path)
        return isKept && isBack
      },
    ),
    { numRuns: 25 },
  )
})

t.test('a later apply of another configuration keeps what was there first', async (t) => {
  const host = made(t, 'unprepared')
  writeBefore(host.root, SYSCTL_FILE, 'vm.laptop_mode = 0\n', 0o600)
  const plan = await host.plan()
  const before = snapshot(host)
  const other: HostPlan = {
    ...plan,
    runtime: plan.runtime.map((one) => (one.form === 'number' ? { ...one, wanted: '7' } : one)),
    files: plan.files.map(({ path, text }) => ({ path, text: `${text}# more\n` })),
  }
  await applyHost(host, plan)
  const applied = snapshot(host)
  const record = readApplyRecord(host.root)
  await applyHost(host, other)
  t.match(readFileSync(host.root + SYSCTL_FILE, 'utf8'), /^vm\.laptop_mode = 0\n# qemu-rt.*# more\n$/s)
  await undo(host)
  t.strictSame(snapshot(host), before, 'undone to what was first')

  await applyHost(host, plan)
  t.strictSame(readApplyRecord(host.root), record)
  await t.rejects(
    applyHost(host, other, (steps) =>
      steps.map((step, index) =>
        index < 6 ? step : { ...step, make: () => Promise.reject(new Error('x')) },
      ),
    ),
  )
  const files = (all: readonly string[]) => all.filter((one) => !one.includes('host-apply.json'))
  t.strictSame(files(snapshot(host)), files(applied), 'a later one that fails leaves what the first has done')
  await undo(host)
  t.strictSame(snapshot(host), before)
})

t.test('after a reboot the files are undone, and values of this boot stay', async (t) => {
  const host = made(t, 'unprepared')
  writeBefore(host.root, BOOT_ID, 'first\n', 0o644)
  await applyHost(host, await host.plan())
  writeFileSync(host.root + BOOT_ID, 'second\n')
  writeFileSync(host.root + THP, '[always] madvise never\n')
  const done = await undo(host)
  t.equal(readFileSync(host.root + THP, 'latin1'), '[always] madvise never\n')
  t.ok(done.some(({ change, outcome }) => change.kind === 'file' && outcome === 'another boot'))
  for (const path of [SYSCTL_FILE, MODPROBE_FILE, UNIT_FILE, UNIT_LINK])
    t.equal(lstatSync(host.root + path, { throwIfNoEntry: false }), undefined, path)
  t.equal(readApplyRecord(host.root), null)
})

t.test('what the unit does at a boot is put back as it was at that boot', async (t) => {
  const host = made(t, 'unprepared')
  const before = readFileSync(host.root + THP, 'latin1')
  await applyHost(host, await host.plan())
  writeBefore(host.root, BOOT_ID, 'second\n', 0o644)
  writeFileSync(host.root + THP, '[always] madvise never\n')
  await applyHost(host, { ...(await host.plan()), files: [] })
  t.not(readFileSync(host.root + THP, 'latin1'), before)
  await undo(host)
  t.equal(readFileSync(host.root + THP, 'latin1'), '[always] madvise never\n')
  t.equal(lstatSync(host.root + SYSCTL_FILE, { throwIfNoEntry: false }), undefined)
})

t.test(
  "a sysctl of an administrator's file is put back in its boot, and stays theirs after the next",
  async (t) => {
    const swappiness = '/proc/sys/vm/swappiness'
    for (const isBooted of [false, true]) {
      const host = made(t, 'unprepared')
      writeBefore(host.root, BOOT_ID, 'first\n', 0o644)
      writeBefore(host.root, '/etc/sysctl.d/99-mine.conf', 'vm.swappiness = 5\n', 0o644)
      const before = readFileSync(host.root + swappiness, 'latin1')
      await applyHost(host, await host.plan())
      t.match(readFileSync(host.root + swappiness, 'latin1'), /^5$/m)
      t.notMatch(readFileSync(host.root + SYSCTL_FILE, 'latin1'), /swappiness/)
      if (isBooted) writeFileSync(host.root + BOOT_ID, 'second\n')
      await undo(host)
      const now = readFileSync(host.root + swappiness, 'latin1')
      if (isBooted) t.match(now, /^5$/m)
      else t.equal(now, before)
    }
  },
)

t.test('a sysctl, which its file sets at each boot, gets its first value back after a boot', async (t) => {
  const swappiness = '/proc/sys/vm/swappiness'
  for (const hasUnitRun of [false, true]) {
    const host = made(t, 'unprepared')
    writeBefore(host.root, BOOT_ID, 'first\n', 0o644)
    const before = readFileSync(host.root + swappiness, 'latin1')
    await applyHost(host, await host.plan())
    const set = readFileSync(host.root + swappiness, 'latin1')
    t.not(set, before)
    writeFileSync(host.root + BOOT_ID, 'second\n')
    if (hasUnitRun) {
      writeFileSync(host.root + THP, '[always] madvise never\n')
      await applyHost(host, { ...(await host.plan()), files: [] })
    }
    await undo(host)
    t.equal(readFileSync(host.root + swappiness, 'latin1'), before)
    t.equal(readApplyRecord(host.root), null)
  }
})

t.test('what a killed write has left beside a file goes with the undo', async (t) => {
  const host = made(t, 'unprepared')
  const plan = await host.plan()
  const before = snapshot(host)
  await applyHost(host, plan)
  for (const path of [SYSCTL_FILE, UNIT_FILE, '/var/lib/qemu-rt/host-apply.json'])
    writeFileSync(`${host.root}${path}.qemu-rt-new`, 'half of')
  await undo(host)
  t.strictSame(snapshot(host), before)
})

t.test('what somebody else has changed since is left and told', async (t) => {
  const host = made(t, 'unprepared')
  await applyHost(host, await host.plan())
  writeFileSync(host.root + THP, 'madvise\n')
  const own = readFileSync(host.root + SYSCTL_FILE, 'utf8')
  const [line = ''] = /^vm\.stat_interval = .*$/m.exec(own) ?? []
  writeFileSync(host.root + SYSCTL_FILE, `${own.replace(line, '# mine')}\nvm.overcommit_memory = 1\n`)
  await t.rejects(applyHost(host, await host.plan()), { exitCode: 69, message: /91-qemu-rt\.conf; move/ })
  const left = (await undo(host)).filter(({ outcome }) => outcome === 'changed since')
  t.strictSame(left.map(({ change }) => (change.kind === 'file' ? change.target : change.kind)).sort(), [
    THP,
    'written',
  ])
  t.equal(readFileSync(host.root + THP, 'utf8'), 'madvise\n')
  t.match(readFileSync(host.root + SYSCTL_FILE, 'utf8'), /overcommit_memory/)
  // Without what is ours the file is theirs, and the record ends.
  writeFileSync(host.root + SYSCTL_FILE, 'vm.overcommit_memory = 1\n')
  await undo(host)
  t.equal(readApplyRecord(host.root), null)
  t.equal(readFileSync(host.root + SYSCTL_FILE, 'utf8'), 'vm.overcommit_memory = 1\n')
})

t.test(
  'lines that somebody has added above and below stay, and a look says what the undo then does',
  async (t) => {
    const host = made(t, 'unprepared')
    await applyHost(host, await host.plan())
    const own = readFileSync(host.root + SYSCTL_FILE, 'utf8')
    writeFileSync(host.root + SYSCTL_FILE, `kernel.panic = 9\n${own}vm.overcommit_memory = 1\n`)
    writeFileSync(host.root + MODPROBE_FILE, '\n')
    const outcomes = (done: Awaited<ReturnType<typeof undo>>) => done.map(({ outcome }) => outcome)
    const before = snapshot(host)
    const record = readApplyRecord(host.root)
    const seen = outcomes(record === null ? [] : await lookAtUndo(host, record))
    t.strictSame(snapshot(host), before)
    t.strictSame(outcomes(await undo(host)), seen)
    t.ok(seen.includes('in use'), 'the directory of the file that stays')
    t.equal(readFileSync(host.root + SYSCTL_FILE, 'utf8'), 'kernel.panic = 9\nvm.overcommit_memory = 1\n')
    t.notOk(existsSync(host.root + MODPROBE_FILE), 'nothing is left in it')
    t.equal(readApplyRecord(host.root), null)
  },
)

t.test('what the kernel refuses is told, keeps nothing else, and is not undone', async (t) => {
  const host = made(t, 'unprepared')
  const plan = await host.plan()
  const before = snapshot(host)
  const access: Access = {
    read: host.access.read,
    write: (one, text) => {
      if (one.target === THP) throw new Refused('EIO')
      return host.access.write(one, text)
    },
  }
  const { refused } = await applyHost({ ...host, access }, plan)
  t.strictSame(refused, [`${host.root}${THP}: EIO`])
  await undo(host)
  t.strictSame(snapshot(host), before)
})

t.test('a value that the kernel has narrowed counts as set, and is put back', async (t) => {
  const host = made(t, 'unprepared')
  const mask = '/sys/devices/virtual/workqueue/cpumask'
  const plan = await host.plan()
  const before = snapshot(host)
  const access: Access = {
    read: host.access.read,
    write: (one, text) => host.access.write(one, one.target === mask && text === '3\n' ? '1\n' : text),
  }
  await applyHost({ ...host, access }, plan)
  t.equal(readFileSync(host.root + mask, 'utf8'), '1\n')
  t.match(await applyHost({ ...host, access }, plan), { changed: 0 })
  await undo(host)
  t.strictSame(snapshot(host), before)
})

t.test('root writes through no link and into nothing that others may write', async (t) => {
  const ways: readonly [what: string, reason: RegExp, spoil: (root: Root) => void][] = [
    [
      'a directory that is a link',
      /^this is a symbolic link to \S+\/elsewhere, .*: ROOT\/etc\/sysctl\.d;/,
      (root) => {
        mkdirSync(`${root}/elsewhere`)
        symlinkSync(`${root}/elsewhere`, `${root}/etc/sysctl.d`)
      },
    ],
    [
      'a file that is a link',
      /^this is a symbolic link to \/etc\/passwd, .*: ROOT\/etc\/sysctl\.d\/91-qemu-rt\.conf;/,
      (root) => {
        mkdirSync(`${root}/etc/sysctl.d`, { mode: 0o755 })
        symlinkSync('/etc/passwd', root + SYSCTL_FILE)
      },
    ],
    [
      'a directory of everybody',
      /^this directory may be written by others .*: ROOT\/etc\/modprobe\.d;/,
      (root) => {
        mkdirSync(`${root}/etc/modprobe.d`)
        chmodSync(`${root}/etc/modprobe.d`, 0o777)
      },
    ],
    [
      'a record that is a link',
      /^this is a symbolic link to .*: ROOT\/var\/lib\/qemu-rt\/host-apply\.json;/,
      (root) => {
        mkdirSync(`${root}/var/lib/qemu-rt`, { recursive: true, mode: 0o755 })
        symlinkSync('/etc/passwd', `${root}/var/lib/qemu-rt/host-apply.json`)
      },
    ],
    [
      'a unit of another make',
      /something else than the link/,
      (root) => {
        mkdirSync(`${root}/etc/systemd/system/multi-user.target.wants`, { recursive: true, mode: 0o755 })
        symlinkSync('/dev/null', root + UNIT_LINK)
      },
    ],
  ]
  for (const [what, reason, spoil] of ways) {
    await t.test(what, async (t) => {
      const host = made(t, 'unprepared')
      mkdirSync(`${host.root}/etc`, { mode: 0o755 })
      spoil(host.root)
      const plan = await host.plan()
      const before = snapshot(host)
      await t.rejects(applyHost(host, plan), {
        exitCode: 77,
        message: new RegExp(reason.source.replace('ROOT', () => host.root.replaceAll('.', '\\.'))),
      })
      t.strictSame(snapshot(host), before)
    })
  }
})

t.test('a value is not written through a link that leads out of /proc and /sys', async (t) => {
  for (const link of [THP, THP.slice(0, THP.lastIndexOf('/'))]) {
    const host = made(t, 'unprepared')
    writeBefore(host.root, '/etc/victim/enabled', 'always [madvise] never\n', 0o644)
    rmSync(host.root + link, { recursive: true })
    symlinkSync(`${host.root}/etc/victim${link === THP ? '/enabled' : ''}`, host.root + link)
    await applyHost(host, await host.plan())
    t.equal(readFileSync(`${host.root}/etc/victim/enabled`, 'utf8'), 'always [madvise] never\n')
    rmSync(`${host.root}/etc`, { recursive: true })
    rmSync(`${host.root}/sys`, { recursive: true })
    rmSync(`${host.root}/var`, { recursive: true })
  }
})
