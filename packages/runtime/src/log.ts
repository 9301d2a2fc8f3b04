/**
 * Structured logs on stderr: stdout belongs to answers. Secrets are removed by name, wherever they are nested.
 *
 * A log that cannot be written (full disk, closed pipe) ends nobody's work: lines wait, up to `keptBytes`, for the next
 * that can be written, and what is beyond is lost.
 */
import { type DestinationStream, destination, type LevelWithSilent, type Logger, pino } from 'pino';

export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>;
export type LogLevel = LevelWithSilent;

const secrets = ['secretKey', 'secret', 'signature', 'authorization', 'password', 'token', 'ticket', 'grant'];

const keptBytes = 256 * 1024;

export interface LogOptions {
  /** Which daemon speaks: broker, worker, … */
  readonly daemon: string;
  readonly level: LogLevel;
  /** Default: stderr. */
  readonly to?: DestinationStream;
}

export function createLog({ daemon, level, to }: LogOptions): Log {
  const paths = secrets.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]);
  return pino(
    { level, base: { daemon, pid: process.pid }, redact: { paths, censor: '[secret]' } },
    to ?? openStderr(),
  );
}

function openStderr(): DestinationStream {
  // Synchronous, so that the last words before a crash are there.
  const stderr = destination({ fd: 2, sync: true, maxLength: keptBytes });
  stderr.on('error', () => undefined);
  return stderr;
}
