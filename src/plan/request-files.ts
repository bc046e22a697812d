import { type ReadConfig, withFiles } from '../argv/files.js'
import { guestOf, type Request } from './request.js'
import { unseenWarnings } from './unseen.js'

/**
 * A request with what the files and the `-set`s of its command line say, which may be the guest's name, too.
 * @throws {UserError} see `withFiles`
 */
export function withRequestFiles(request: Request, files: readonly ReadConfig[]): Request {
  const line = withFiles(request.line, files)
  return { ...request, line, guest: guestOf(line), unseen: unseenWarnings(line, files) }
}
