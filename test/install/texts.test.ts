import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { needs } from '../e2e/needs.js'
import { qemuRt, runSync } from '../launcher/run.js'

const file = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url))
const bash = (script: string, ...args: string[]) => runSync(['bash', '-c', script, 'bash', ...args])

t.test('the man pages are without faults', async (t) => {
  if (!needs(t, ['mandoc'])) return
  for (const page of ['docs/man/qemu-rt.1', 'docs/man/qemu-rt.toml.5']) {
    t.match(runSync(['mandoc', '-T', 'lint', '-W', 'warning', file(page)]), { status: 0, stdout: '' })
  }
})

const manPage = readFileSync(file('docs/man/qemu-rt.1'), 'utf8')
const help = (...command: string[]) => qemuRt([...command, '--help']).stdout

/** First group of each match. */
const all = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, name = '']) => name)

/** The commands that a help text lists. */
const commandsIn = (text: string) =>
  all(text.split('Commands:')[1] ?? '', /^ {2}([a-z]+)/gm).filter((name) => name !== 'help')

t.test('the man page of the configuration has every key', async (t) => {
  const page = readFileSync(file('docs/man/qemu-rt.toml.5'), 'utf8')
  const schemas = readdirSync(file('src/config')).map((name) =>
    readFileSync(file(`src/config/${name}`), 'utf8'),
  )
  const keys = schemas.flatMap((text) => all(text, /^ +'?([a-z-]+)'?: v\.optional\(/gm))
  t.ok(keys.includes('realtime-mask') && keys.includes('numa-node'), keys.join(' '))
  for (const key of new Set(keys)) t.match(page, new RegExp(`^\\.I[ct] .*\\b${key}\\b`, 'm'), key)
})

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

/** Names that a shell must take as data: each would leave `ran-…` in the working directory, or become another word. */
const ODD_NAMES = [
  'plc 1',
  "plc-it's",
  'plc"2"',
  'plc$(touch ran-substitution)',
  'plc`touch ran-backtick`',
  'plc;touch ran-semicolon',
  'plc*',
  'plc?[a-z]{b,c}',
  'plc$HOME',
  'plc\\back',
  'plc!x',
  '~root',
  '<(touch ran-process)',
  'plc:a=b',
  'plc-ä工',
  '-plc',
]

/** A directory with programs in place of virsh, an empty working directory in it, and a configuration with odd names. */
function completionPlace(t: Test) {
  const bin = t.testdir({
    'rt.toml':
      '[nic.fieldbus0]\nmac = "x"\n[nic.line1]\n[nic."odd $(touch ran-toml) ]"]\n[profile.rt]\n[profile.soft]\n' +
      "[ profile . x ]\n[profile.'lit `touch ran-literal`']\n",
    virsh: `#!/bin/sh\ncat <<'END'\n${ODD_NAMES.join('\n')}\nplc-\u202eevil\n\nEND\n`,
    'other.toml': '[nic.another]\n',
    cwd: { 'plc-file': '', 'ran-by$(touch ran-file)': '' },
  })
  chmodSync(join(bin, 'virsh'), 0o755)
  return { bin, config: join(bin, 'rt.toml'), cwd: join(bin, 'cwd') }
}

/** What bash offers for the last word of a command line. */
function completions(t: Test, words: readonly string[]): string[] {
  const { bin, config, cwd } = completionPlace(t)
  const script = `
    source "$1"; config=$2; PATH="$3:$4:$PATH"; shift 4
    eval "$(declare -f _qemu_rt | sed "s|/etc/qemu-rt/qemu-rt.toml|$config|")"
    compopt() { :; }
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
    _qemu_rt
    printf '%s\\n' "\${COMPREPLY[@]}"`
  const { stdout, stderr } = runSync(
    [
      ...['bash', '-c', script, 'bash', file('system/completion/qemu-rt.bash')],
      ...[config, bin, file('bin'), 'qemu-rt', ...words],
    ],
    { cwd, env: { ...process.env, LC_ALL: 'C.UTF-8' } },
  )
  t.equal(stderr, '')
  t.strictSame(readdirSync(cwd).sort(), ['plc-file', 'ran-by$(touch ran-file)'], 'nothing ran')
  return stdout.split('\n').filter((word) => word !== '')
}

/** A word as bash reads it when it is entered. */
const entered = (word: string) => bash(`printf %s ${word}`).stdout

t.test('bash completes commands, options and names', async (t) => {
  const cases: [string[], string[]][] = [
    [['st'], ['status']],
    [['nics', 'sc'], ['scan']],
    [['host', 'ch'], ['check']],
    [['host', 'check', '--st'], ['--strict']],
    [['jitter', 'di'], ['diff']],
    [['jitter', '--mode', 't'], ['timer']],
    [['jitter', '--profile', 'rt', '--fa'], ['--fail-over']],
    [['jitter', 'diff', 'plc-f'], ['plc-file']],
    [['nics', 'bind', 'f'], ['fieldbus0']],
    [['nics', 'bind', '--f'], ['--force']],
    [['tune', '--pro'], ['--profile']],
    [
      ['tune', '--profile', ''],
      ['rt', 'soft', 'lit\\ \\`touch\\ ran-literal\\`'],
    ],
    [['run', '--dry-run', '--ni'], ['--nic']],
    [['run', '--', '-na'], []],
    [['run', '--format', 'j'], ['json']],
    // What the help of that command lists, and no other's.
    [
      ['run', '--format', ''],
      ['text', 'args', 'json', 'diff'],
    ],
    [
      ['nics', 'list', '--format', ''],
      ['text', 'json'],
    ],
    [
      ['status', '--format', ''],
      ['text', 'json', 'prometheus'],
    ],
    [
      ['jitter', '--mode', ''],
      ['spin', 'timer', 'network'],
    ],
    [['jitter', '--switch', ''], ['testpmd']],
    [
      ['export', ''],
      ['nova-provider', 'nova-pci', 'sriov-dp', 'nfd'],
    ],
    [['export', '--ou'], ['--output']],
    [['jitter', '--echo-profile', 's'], ['soft']],
    [['run', '--nic', 'l'], ['line1']],
    [['tune', '--pid', ''], []],
    [['help', 'st'], ['status']],
    [['help', 'nics', 'b'], ['bind']],
    [['nics', 'show', '--config', '../other.toml', ''], ['another']],
  ]
  for (const [words, expected] of cases) t.strictSame(completions(t, words), expected, words.join(' '))
})

t.test('bash completes names as data: quoted, and none of them runs', async (t) => {
  const all = completions(t, ['tune', '--domain', ''])
  t.strictSame(all.map(entered), ODD_NAMES, 'all but the one that would be read as another')
  t.strictSame(completions(t, ['tune', '--domain', 'plc$(']).map(entered), ['plc$(touch ran-substitution)'])
  t.strictSame(completions(t, ['tune', '--domain', 'plc\\$\\(']).map(entered), [
    'plc$(touch ran-substitution)',
  ])
  t.strictSame(completions(t, ['tune', '--domain', 'plc\\ ']), ['plc\\ 1'])
  t.strictSame(completions(t, ['tune', '--domain', "'plc "]), ['plc 1'])
  t.strictSame(completions(t, ['tune', '--domain', "'plc$("]), ['plc$(touch ran-substitution)'])
  t.strictSame(completions(t, ['tune', '--domain', "'plc-it"]), [], 'which single quotes cannot hold')
  t.strictSame(completions(t, ['tune', '--domain', '"plc$']), [])
  t.strictSame(completions(t, ['tune', '--domain', '"plc ']), ['plc 1'])
  t.strictSame(completions(t, ['nics', 'show', 'o']).map(entered), ['odd $(touch ran-toml) ]'])
  t.strictSame(completions(t, ['run', '--profile', 'l']).map(entered), ['lit `touch ran-literal`'])
  t.strictSame(completions(t, ['capture', 'ran']), ['ran-by$(touch ran-file)'])
  t.strictSame(completions(t, ['$(touch ran-command)', '']).includes('status'), true)
})

/** What zsh has on its command line after a TAB, and what a command is given when the line is entered. */
function zshCompletes(t: Test, line: string) {
  const { bin, config, cwd } = completionPlace(t)
  const functions = join(bin, 'functions')
  mkdirSync(functions)
  const text = readFileSync(file('system/completion/_qemu-rt'), 'utf8')
  writeFileSync(join(functions, '_qemu-rt'), text.replace('/etc/qemu-rt/qemu-rt.toml', config))
  // In place of the program: has its help, and notes what else it is given.
  const program = `#!/bin/sh\ncase "$*" in *--help) exec '${file('bin/qemu-rt')}' "$@" ;; esac\nprintf '%s\\n' "$@" >"${bin}/given"\n`
  writeFileSync(join(bin, 'qemu-rt'), program)
  chmodSync(join(bin, 'qemu-rt'), 0o755)
  const script = `
    zmodload zsh/zpty
    zpty shell zsh -f -i
    zpty -w shell "PS1=; unsetopt beep; setopt no_always_last_prompt; fpath=($1 \\$fpath); PATH=$2:\\$PATH"
    zpty -w shell 'autoload -Uz compinit; compinit -D -u; print READY-$((1+1))'
    zpty -r -m shell text '*READY-2*'
    zpty -w -n shell "$3"$'\\t'
    sleep 1
    zpty -w -n shell $'\\n'
    for try in {1..100}; do [[ -e $2/given ]] && break; sleep 0.1; done
    zpty -d shell`
  const { stderr } = runSync(['zsh', '-f', '-c', script, 'zsh', functions, bin, line], {
    cwd,
    env: { ...process.env, LC_ALL: 'C.UTF-8', HOME: bin },
  })
  t.equal(stderr, '')
  t.strictSame(readdirSync(cwd).sort(), ['plc-file', 'ran-by$(touch ran-file)'], 'nothing ran')
  return readFileSync(join(bin, 'given'), 'utf8').split('\n').slice(0, -1)
}

t.test('zsh completes names as data: quoted, and none of them runs', async (t) => {
  if (!needs(t, ['zsh'])) return
  const cases: [string, string[]][] = [
    ['qemu-rt tune --domain plc\\$\\(', ['tune', '--domain', 'plc$(touch ran-substitution)']],
    ['qemu-rt tune --domain plc\\ ', ['tune', '--domain', 'plc 1']],
    ['qemu-rt tune --domain plc\\`', ['tune', '--domain', 'plc`touch ran-backtick`']],
    ['qemu-rt nics show o', ['nics', 'show', 'odd $(touch ran-toml) ]']],
    ['qemu-rt run --profile l', ['run', '--profile', 'lit `touch ran-literal`']],
    ['qemu-rt status --format p', ['status', '--format', 'prometheus']],
    ['qemu-rt export sr', ['export', 'sriov-dp']],
    ['qemu-rt help nics b', ['help', 'nics', 'bind']],
    ['qemu-rt run --nic l', ['run', '--nic', 'line1']],
    ['qemu-rt nics show --config ../other.toml a', ['nics', 'show', '--config', '../other.toml', 'another']],
    ['qemu-rt capture ran', ['capture', 'ran-by$(touch ran-file)']],
  ]
  for (const [line, given] of cases) {
    t.test(line, async (t) => {
      t.strictSame(zshCompletes(t, line), given)
    })
  }
})

t.test('zsh reads its completion', async (t) => {
  if (!needs(t, ['zsh'])) return
  t.match(runSync(['zsh', '-n', file('system/completion/_qemu-rt')]), { status: 0, stderr: '' })
})

t.test('AppArmor: a domain gets the way to QEMU, and its planner only reads', async (t) => {
  const [own = '', planner = ''] = readFileSync(file('system/apparmor/domain'), 'utf8').split(
    /^ *profile .*$/m,
  )
  const rules = (text: string) => text.split('\n').filter((line) => /^ +[^ #]/.test(line))
  t.strictSame(
    rules(own).map((line) => line.trim()),
    [
      '@prefix@/bin/qemu-rt rix,',
      '/{,usr/}bin/taskset rmix,',
      '@planner@ Cx -> qemu_rt_planner,',
      'ptrace (readby) peer=@{profile_name}//qemu_rt_planner,',
      'owner /dev/vfio/[0-9]* rw,',
      'owner / rw,',
    ],
  )
  const more = rules(planner).filter((line) => !/ m?r,$|^ *(include|ptrace \(read\)|deny|\})/.test(line))
  t.strictSame(
    more.map((line) => line.trim()),
    // The kernel's own device that takes and gives nothing, as /dev/null.
    ['/var/log/libvirt/qemu/*.log a,', '/apparmor/.null rw,'],
  )
})

t.test('AppArmor takes our lines', async (t) => {
  if (!needs(t, ['apparmor_parser'])) return
  for (const part of ['domain', 'daemon']) {
    const lines = readFileSync(file(`system/apparmor/${part}`), 'utf8')
      .replaceAll('@prefix@', '/usr/local')
      .replaceAll('@planner@', '/usr/local/lib/qemu-rt/qemu-rt-planner')
    const profile = `abi <abi/3.0>,\n#include <tunables/global>\nprofile qemu-rt-test {\n${lines}\n}\n`
    const parsed = runSync(['apparmor_parser', '--skip-kernel-load', '--skip-cache'], { input: profile })
    t.equal(parsed.status, 0, `${part}: ${parsed.stderr}`)
  }
})
