import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { needs } from '../e2e/needs.js'

const file = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url))
const bash = (script: string, ...args: string[]) =>
  spawnSync('bash', ['-c', script, 'bash', ...args], { encoding: 'utf8' })

t.test('the man pages are without faults', async (t) => {
  if (!needs(t, ['mandoc'])) return
  for (const page of ['docs/man/qemu-rt.1', 'docs/man/qemu-rt.toml.5']) {
    t.match(spawnSync('mandoc', ['-T', 'lint', '-W', 'warning', file(page)], { encoding: 'utf8' }), {
      status: 0,
      stdout: '',
    })
  }
})

const manPage = readFileSync(file('docs/man/qemu-rt.1'), 'utf8')
const help = (...command: string[]) =>
  spawnSync(file('bin/qemu-rt'), [...command, '--help'], { encoding: 'utf8' }).stdout

/** First group of each match. */
const all = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, name = '']) => name)

/** The commands that a help text lists. */
const commandsIn = (text: string) =>
  all(text.split('Commands:')[1] ?? '', /^ {2}([a-z]+)/gm).filter((name) => name !== 'help')

t.test('the man page has every command', async (t) => {
  for (const command of commandsIn(help())) {
    t.match(manPage, new RegExp(`^\\.It Cm ${command}$`, 'm'), command)
  }
})

t.test('the man page has every option of every command', async (t) => {
  const [, options = ''] = manPage.split(/^\.Sh OPTIONS$/m)
  const sections = new Map(
    options
      .split(/^\.Sh /m)[0]
      ?.split(/^\.Ss /m)
      .map((text) => [text.split('\n')[0], text]),
  )
  for (const command of commandsIn(help())) {
    const own = help(command)
    const texts = [own, ...commandsIn(own).map((name) => help(command, name))]
    const wanted = texts.flatMap((text) => all(text, /^ {2}--([a-z-]+)/gm))
    const described = all(sections.get(command) ?? '', /^\.It Fl -([a-z-]+)/gm)
    t.strictSame(new Set(described), new Set(wanted), command)
  }
})

/** What bash offers for the last word of a command line. */
function completions(t: Test, words: readonly string[]): string[] {
  const bin = t.testdirName
  mkdirSync(bin, { recursive: true })
  const config = join(bin, 'rt.toml')
  writeFileSync(config, '[nic.fieldbus0]\nmac = "x"\n[nic.line1]\n[profile.rt]\n[profile.soft]\n')
  const script = `
    source "$1"; config=$2; PATH="$3:$PATH"; shift 3
    eval "$(declare -f _qemu_rt | sed "s|/etc/qemu-rt/qemu-rt.toml|$config|")"
    compopt() { :; }
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
    _qemu_rt
    printf '%s\\n' "\${COMPREPLY[@]}"`
  const { stdout, stderr } = bash(
    script,
    file('system/completion/qemu-rt.bash'),
    config,
    file('bin'),
    'qemu-rt',
    ...words,
  )
  t.equal(stderr, '')
  return stdout.split('\n').filter((word) => word !== '')
}

t.test('bash completes commands, options and names', async (t) => {
  const cases: [string[], string[]][] = [
    [['st'], ['status']],
    [['nics', 'sc'], ['scan']],
    [['nics', 'bind', 'f'], ['fieldbus0']],
    [['nics', 'bind', '--f'], ['--force']],
    [['tune', '--pro'], ['--profile']],
    [
      ['tune', '--profile', ''],
      ['rt', 'soft'],
    ],
    [['run', '--dry-run', '--ni'], ['--nic']],
    [['run', '--', '-na'], []],
    [['run', '--format', 'j'], ['json']],
  ]
  for (const [words, expected] of cases) t.strictSame(completions(t, words), expected, words.join(' '))
})

t.test('zsh reads its completion', async (t) => {
  if (!needs(t, ['zsh'])) return
  t.match(spawnSync('zsh', ['-n', file('system/completion/_qemu-rt')], { encoding: 'utf8' }), {
    status: 0,
    stderr: '',
  })
})

t.test('AppArmor takes our lines', async (t) => {
  if (!needs(t, ['apparmor_parser'])) return
  for (const part of ['domain', 'daemon']) {
    const lines = readFileSync(file(`system/apparmor/${part}`), 'utf8')
      .replaceAll('@prefix@', '/usr/local')
      .replaceAll('@planner@', '/usr/local/lib/qemu-rt/qemu-rt-planner')
    const profile = `abi <abi/3.0>,\n#include <tunables/global>\nprofile qemu-rt-test {\n${lines}\n}\n`
    const parsed = spawnSync('apparmor_parser', ['--skip-kernel-load', '--skip-cache'], {
      encoding: 'utf8',
      input: profile,
    })
    t.equal(parsed.status, 0, `${part}: ${parsed.stderr}`)
  }
})
