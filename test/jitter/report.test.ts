import { spawnSync } from 'node:child_process'
import {
  chownSync,
  lchownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import type { CauseReport } from '../../src/jitter/cause/causes.js'
import { modelOf } from '../../src/jitter/report/from-results.js'
import { formatPage } from '../../src/jitter/report/page.js'
import { checkReport, writeReport } from '../../src/jitter/report/write.js'
import type { JitterResult } from '../../src/jitter/result.js'
import { needs } from '../e2e/needs.js'
import { temporaryDirectory } from '../launcher/launcher.js'

const AS_ROOT = { skip: process.getuid?.() !== 0 && 'not root' }

const CAUSES: CauseReport = {
  ...{ vcpu: 0, cpus: '1', seconds: 60, worstMicroseconds: 708 },
  causes: [
    {
      ...{ id: 'waiting', count: 12, microseconds: 3200, kinds: [], threads: [], verdict: 'can' },
      text: 'waited for its CPU 3.2 ms in all; there meanwhile: <script>alert(1)</script> (9) 3 ms',
    },
    {
      ...{ id: 'interrupt', count: 60_000, microseconds: null, kinds: [], threads: [], verdict: 'may' },
      text: '60000 interrupts (1000 a second): LOC Local timer interrupts 59000, 36 virtio1-req.0 1000',
    },
    { id: 'smi', count: 0, microseconds: null, kinds: [], threads: [], verdict: 'cannot', text: '0 SMIs' },
  ],
  notRead: [{ id: 'exit', why: 'no directory of this VM in /sys/kernel/debug/kvm (KVM, debugfs, root)' }],
}

const histogram = (counts: readonly number[], least: number) =>
  counts.map((count, index) => ({
    ...{ fromMicroseconds: least * 2 ** index, toMicroseconds: least * 2 ** (index + 1) },
    count,
  }))

const RESULT: JitterResult = {
  profile: 'rt',
  accelerator: 'kvm',
  vcpu: { number: 0, cpus: '1', policy: 'fifo', priority: 1 },
  seconds: 60,
  ...{ mode: 'spin', timer: null, intervalMicroseconds: null, vcpus: [], warmUpSeconds: 1, missed: 0 },
  percentiles: { '50': 0.4, '99': 0.8, '99.9': 0.8, '99.99': 0.8, '99.999': 0.8 },
  ticksPerMicrosecond: 2597,
  worstMicroseconds: 708,
  histogram: histogram([4, 36_801_719, 14_860_105, 1444, 1411, 0, 0, 91, 33, 12, 9, 3, 0, 1], 0.1),
  explanations: ['CPU 1 has the scheduler’s tick; boot with nohz_full=1 rcu_nocbs=1'],
  causes: [CAUSES],
  floor: {
    ...{ seconds: 60, cpu: 1, policy: 'fifo', priority: 1, hardware: null, ratio: 2 },
    host: {
      ...{ tool: 'oslat', version: '2.60', worstMicroseconds: 354 },
      histogram: [
        { fromMicroseconds: 0, toMicroseconds: 1, count: 33_449_609 },
        ...histogram([80, 61, 44, 9, 0, 2, 1, 0, 1], 1),
      ],
    },
    notMeasured: [{ tool: 'rtla hwnoise', why: 'rtla is not installed; install the package rtla' }],
  },
  worstOverTime: {
    sliceSeconds: 1,
    microseconds: Array.from({ length: 60 }, (_, at) =>
      at === 30 ? null : at === 41 ? 708 : 20 + ((at * 37) % 50),
    ),
  },
}

const HOST = {
  kernel: '6.12.0-rt',
  commandLine: 'quiet isolcpus=1 nohz_full=1 rcu_nocbs=1',
  cpuModel: 'A processor & more',
  microcode: '0x2b000603',
  checks: { counts: { pass: 40, fail: 1 }, notPassed: [{ id: 'tick', result: 'fail' }] },
}

const PAGE = formatPage(modelOf([RESULT], HOST, new Date('2026-01-02T03:04:05Z')))

t.test('one page with all of it, and nothing from elsewhere', async (t) => {
  for (const text of [
    '708 us',
    '2.0 ×',
    '354 us',
    'can be it',
    'may be it',
    'cannot be it',
    'not read',
    'A processor &amp; more',
    '0x2b000603',
    '40 pass, 1 fail',
    'rtla is not installed',
    'isolcpus=1',
  ])
    t.ok(PAGE.includes(text), text)
  t.equal(PAGE.match(/<svg /g)?.length, 4, 'two pictures, for two widths')
  t.notMatch(PAGE, /<script/, 'the name of a thread is text')
  t.match(PAGE, '&lt;script&gt;')
  t.notMatch(PAGE.replaceAll('http://www.w3.org/', ''), /https?:|url\((?!#)|<link|@import| src=/)
  t.match(PAGE, "content=\"default-src 'none'; style-src 'unsafe-inline'\"")
  // Without colour, lines differ by their dashes.
  t.match(PAGE, /stroke-dasharray/)
})

t.test('the name of a profile is shown with what cannot be seen in it', async (t) => {
  const strange = { ...RESULT, profile: 'a\u001b[31m<b>' }
  const page = formatPage(modelOf([RESULT, strange], HOST, new Date(0)))
  t.equal(page.match(/[^\P{C}\n]/gu), null)
  t.ok(page.includes('<title>Latency of a VM: profile &#39;a\\x1b[31m&lt;b&gt;&#39;</title>'))
  // The legends of two pictures, for two widths.
  t.ok((page.match(/a\\x1b\[31m/g)?.length ?? 0) >= 4)
})

t.test('a page of less: best effort alone, nothing looked at', async (t) => {
  const { causes: _, floor: __, ...plain } = RESULT
  const host = { kernel: null, commandLine: null, cpuModel: null, microcode: null, checks: null }
  const page = formatPage(modelOf([{ ...plain, profile: null, explanations: [] }], host, new Date(0)))
  t.equal(page.match(/<svg /g)?.length, 4)
  t.notMatch(page, /What kept|What to do|undefined|null|NaN/)
  const both = formatPage(modelOf([{ ...plain, profile: null }, RESULT], HOST, new Date(0)))
  t.match(both, /worst with best effort/)
})

t.test('a page that cannot be written is said before anything is measured', async (t) => {
  t.throws(() => checkReport('/nowhere/page.html'), {
    message:
      'the page cannot be written (ENOENT): --report /nowhere/page.html; name a file in a directory that is there and that you can write',
  })
  const directory = temporaryDirectory(t)
  checkReport(join(directory, 'page.html'))
  const target = join(directory, 'target')
  writeFileSync(target, 'as it was')
  symlinkSync(target, join(directory, 'link.html'))
  t.throws(() => checkReport(join(directory, 'link.html')), {
    exitCode: 64,
    message: /it is not a regular file/,
  })
  await writeReport(join(directory, 'link.html'), [RESULT], HOST)
  t.equal(readFileSync(target, 'utf8'), 'as it was', 'a link that came meanwhile is replaced')
  t.match(readFileSync(join(directory, 'link.html'), 'utf8'), /^<!doctype html>/i)
})

t.test("root follows no other user's link to a page's directory", AS_ROOT, async (t) => {
  const directory = realpathSync(temporaryDirectory(t))
  const aim = join(directory, 'aim')
  const theirs = join(directory, 'theirs')
  mkdirSync(aim)
  mkdirSync(join(theirs, 'own'), { recursive: true })
  for (const path of [theirs, join(theirs, 'own')]) chownSync(path, 65534, 65534)
  const page = join(theirs, 'own/page.html')
  await writeReport(page, [RESULT], HOST)
  t.match(readFileSync(page, 'utf8'), /^<!doctype html>/i, 'into their directory itself it may')
  checkReport(page)
  // While it is measured.
  rmSync(join(theirs, 'own'), { recursive: true })
  symlinkSync(aim, join(theirs, 'own'))
  lchownSync(join(theirs, 'own'), 65534, 65534)
  const refused = {
    message: /^the page cannot be written \(a link that is not root's leads there\): /,
    exitCode: 64,
  }
  await t.rejects(writeReport(page, [RESULT], HOST), refused)
  t.throws(() => checkReport(page), refused)
  t.strictSame(readdirSync(aim), [])
})

for (const [device, width, height] of [
  ['phone', 390, 2600],
  ['desktop', 1280, 2200],
] as const) {
  t.test(`in a browser, as wide as a ${device}`, async (t) => {
    if (!needs(t, ['chromium'])) return
    const directory = temporaryDirectory(t)
    const file = join(directory, 'page.html')
    // Says in its title what a person would see: whether something is cut off, and which picture is shown.
    const probe = `<script>
      addEventListener('load', () => {
        const seen = (name) => [...document.querySelectorAll('.' + name)].filter((one) => one.offsetParent !== null).length
        const shown = [...document.querySelectorAll('body *')].filter((one) => one.getClientRects().length > 0)
        const left = (one) => one.ownerSVGElement?.getBoundingClientRect().left ?? 0
        const cut = shown
          .map((one) => [one, one.getBoundingClientRect()])
          .filter(([one, box]) => box.right > innerWidth + 1 || (one.tagName === 'text' && box.left < left(one) - 1))
          .map(([one, box]) => one.tagName + ' ' + one.textContent + ' ' + box.left)
        const small = [...document.querySelectorAll('svg text')].filter((one) => one.getClientRects().length > 0 && one.getBoundingClientRect().height < 9).length
        document.title = JSON.stringify({ narrow: seen('narrow'), wide: seen('wide'), cut, small, loaded: performance.getEntriesByType('resource').length })
      })
    </script>`
    writeFileSync(
      file,
      PAGE.replace("default-src 'none';", "default-src 'none'; script-src 'unsafe-inline';").replace(
        '</body>',
        `${probe}</body>`,
      ),
    )
    const browse = (...args: string[]) =>
      spawnSync(
        'chromium',
        [
          ...[
            '--headless=new',
            '--no-sandbox',
            '--disable-gpu',
            '--disable-dev-shm-usage',
            '--hide-scrollbars',
          ],
          ...[
            '--no-first-run',
            '--disable-background-networking',
            '--disable-component-update',
            '--disable-sync',
          ],
          ...['--host-resolver-rules=MAP * ~NOTFOUND', `--user-data-dir=${join(directory, 'profile')}`],
          ...[
            '--enable-logging=stderr',
            `--window-size=${width},${height}`,
            ...args,
            pathToFileURL(file).href,
          ],
        ],
        { encoding: 'utf8', timeout: 120_000, env: { ...process.env, HOME: directory } },
      )
    const { stdout, stderr } = browse('--dump-dom')
    t.notMatch(stderr, /:CONSOLE/, 'no errors of the page')
    const title = /<title>(.*?)<\/title>/.exec(stdout)?.[1]?.replaceAll('&quot;', '"') ?? stderr
    const shown = device === 'phone' ? { narrow: 2, wide: 0 } : { narrow: 0, wide: 2 }
    t.strictSame(JSON.parse(title), { ...shown, cut: [], small: 0, loaded: 0 })
    const picture = join(process.env.QEMU_RT_PICTURES ?? directory, `${device}.png`)
    browse(`--screenshot=${picture}`)
    t.ok(statSync(picture).size > 20_000, `${statSync(picture).size} bytes`)
    t.equal(readFileSync(picture).readUInt32BE(16), width, 'as wide as asked for')
  })
}

t.test('what the osnoise tracer has told is there, when it was asked', async (t) => {
  const osnoise = { cpus: [{ cpu: 1, columns: [] }], notRead: null }
  t.match(
    formatPage(modelOf([{ ...RESULT, osnoise }], HOST, new Date(0))),
    />osnoise on CPU 1 while the guest ran/,
  )
  t.notMatch(formatPage(modelOf([RESULT], HOST, new Date(0))), /osnoise on CPU/)
})
