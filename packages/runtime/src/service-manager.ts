/**
 * What a daemon tells the systemd that started it (sd_notify(3)): that it answers, that it stops, that it lives.
 *
 * 1. The watchdog is fed by a timer of the event loop itself: a loop that stands still feeds nothing.
 * 2. What is told comes from the daemon's own process, so its unit can say NotifyAccess=main: no task can speak for it.
 * 3. Nothing of it is passed on to what the daemon starts.
 *
 * Node.js has no unix datagrams. `packages/cli/bin/notify-socket.pl` connects the socket, says in GRID_NOTIFY_FD which
 * descriptor it is, and becomes the daemon; a datagram is then one write.
 */
import { writeSync } from 'node:fs';
import type { Alarms, Cancel } from './clock.ts';

export interface ServiceManager {
  /** In words, for `systemctl status`. */
  status(words: string): void;
  /** From here on the watchdog counts. */
  ready(words: string): void;
  stopping(): void;
  /** No timer is left. */
  close(): void;
}

/** Of the time that the watchdog gives, the part after which it is fed: two may come late. */
const feedsPerWatchdog = 3;
/** What was not taken (the socket is full) is told again. */
const againMs = 100;
/** Of status text; the kernel takes far longer datagrams. */
const maxWordsChars = 1000;

type Environment = Record<string, string | undefined>;

/** Takes its variables out of `env`. Where no manager listens, it tells nobody. */
export function serviceManager(env: Environment, alarms: Alarms, write = writeSync): ServiceManager {
  const descriptor = Number(env.GRID_NOTIFY_FD ?? Number.NaN);
  const watchdogMs = Number(env.WATCHDOG_USEC ?? Number.NaN) / 1000;
  for (const name of ['GRID_NOTIFY_FD', 'NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete env[name];
  if (!Number.isInteger(descriptor)) {
    const nothing = (): void => undefined;
    return { status: nothing, ready: nothing, stopping: nothing, close: nothing };
  }
  let untold: readonly string[] = [];
  let cancelAgain: Cancel = () => undefined;
  let cancelFeed: Cancel = () => undefined;

  const take = (text: string): boolean => {
    try {
      write(descriptor, text);
      return true;
    } catch (error) {
      // A manager that is busy takes it later; one that is being replaced (systemctl daemon-reexec) too.
      return !(
        error instanceof Error &&
        'code' in error &&
        ['EAGAIN', 'ECONNREFUSED'].includes(`${error.code}`)
      );
    }
  };
  const tell = (...lines: readonly string[]): void => {
    untold = [...untold.filter((line) => !lines.includes(line)), ...lines];
    cancelAgain();
    if (take(untold.join('\n'))) untold = [];
    else cancelAgain = alarms.after(againMs, () => tell());
  };
  const feed = (): void => {
    // One that is not taken is not repeated: the next comes.
    take('WATCHDOG=1');
    cancelFeed = alarms.after(watchdogMs / feedsPerWatchdog, feed);
  };
  const statusLine = (words: string): string =>
    `STATUS=${words.replaceAll(/\s+/g, ' ').slice(0, maxWordsChars)}`;
  return {
    status: (words) => tell(statusLine(words)),
    ready: (words) => {
      tell('READY=1', statusLine(words));
      if (watchdogMs > 0) feed();
    },
    stopping: () => tell('STOPPING=1'),
    close: () => {
      cancelAgain();
      cancelFeed();
    },
  };
}
