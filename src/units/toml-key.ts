/** A key as TOML wants it: `line0`, `"field bus"`. */
export function tomlKey(key: string): string {
  return /^[\w-]+$/.test(key) ? key : JSON.stringify(key)
}
