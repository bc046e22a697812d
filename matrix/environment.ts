import { existsSync } from 'node:fs'
import { execaSync } from 'execa'

/** Debian's bundle; a machine behind a proxy may have added to it. enter.sh takes it along. */
const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt'

/** What a root gets of this machine's environment: the way to the network. */
export function environment(): Record<string, string> {
  const kept = Object.entries(process.env).flatMap(([name, value]) =>
    value !== undefined && /^(https?_proxy|no_proxy|TERM)$/i.test(name) ? [[name, value] as const] : [],
  )
  return {
    ...Object.fromEntries(kept),
    ...registry(),
    ...(existsSync(CERTIFICATES) ? { NODE_EXTRA_CA_CERTS: CERTIFICATES } : {}),
    CI: 'true',
    HOME: '/root',
    LANG: 'C.UTF-8',
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  }
}

/** npm's registry, as this machine's npm has it. */
function registry(): Record<string, string> {
  const { stdout } = execaSync('npm', ['config', 'get', 'registry'])
  return stdout.startsWith('http') ? { npm_config_registry: stdout } : {}
}
