/** Structured logs on stderr: stdout belongs to answers. Secrets are removed by name, wherever they are nested. */
import { type DestinationStream, destination, type LevelWithSilent, type Logger, pino } from 'pino';

export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>;
export type LogLevel = LevelWithSilent;

const secrets = ['secretKey', 'secret', 'signature', 'authorization', 'password', 'token', 'ticket', 'grant'];

export interface LogOptions {
  /** Which daemon speaks: broker, worker, … */
  readonly daemon: string;
  readonly level: LogLevel;
  /** Default: stderr, written synchronously, so that the last words before a crash are there. */
  readonly to?: DestinationStream;
}

export function createLog({ daemon, level, to }: LogOptions): Log {
  const paths = secrets.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]);
  return pino(
    { level, base: { daemon, pid: process.pid }, redact: { paths, censor: '[secret]' } },
    to ?? destination({ fd: 2, sync: true }),
  );
}
