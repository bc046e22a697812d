// Makes JavaScript of the tests' TypeScript, for ts-node (tsconfig.tap.json), which tap loads in the process of each test file. By itself
// ts-node compiles all modules in each of these processes; here a module is compiled once, and what came out is kept below node_modules.
const { createHash } = require('node:crypto')
const { mkdirSync, readFileSync, renameSync, writeFileSync } = require('node:fs')
const { join } = require('node:path')
const ts = require('typescript')

const KEPT = join(__dirname, '../node_modules/.cache/qemu-rt-tests')

/** See ts-node's documentation, "Third-party transpilers". */
function create({ service, nodeModuleEmitKind }) {
  const compilerOptions = {
    ...service.config.options,
    // NodeNext asks package.json which of the two it is, which a module by itself has not.
    module: nodeModuleEmitKind === 'nodecjs' ? ts.ModuleKind.CommonJS : ts.ModuleKind.ESNext,
    moduleResolution: undefined,
  }
  const about = `${ts.version}\n${JSON.stringify(compilerOptions)}\n`
  return {
    transpile(code, { fileName }) {
      const name = createHash('sha256').update(about).update(`${fileName}\n`).update(code).digest('hex')
      const path = join(KEPT, `${name}.json`)
      const kept = read(path)
      if (kept !== null) return kept
      const made = ts.transpileModule(code, { fileName, compilerOptions, reportDiagnostics: true })
      const diagnostics = made.diagnostics.filter(({ file }) => file !== undefined)
      const result = { outputText: made.outputText, sourceMapText: made.sourceMapText }
      if (diagnostics.length > 0) return { ...result, diagnostics }
      write(path, result)
      return result
    },
  }
}

function read(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return null
  }
}

/** Several processes may write the same at once. A directory that cannot be written costs time alone. */
function write(path, result) {
  try {
    mkdirSync(KEPT, { recursive: true })
    const own = `${path}.${process.pid}`
    writeFileSync(own, JSON.stringify(result))
    renameSync(own, path)
  } catch {}
}

module.exports = { create }
