/** A command's connection to its grid: opened, used, closed whatever happens. */
import { connect as connectSocket } from 'node:net';
import { type Client, connect } from '@gryphgen/client';
import { failure, GridError } from '@gryphgen/protocol';
import { createLog } from '@gryphgen/runtime';
import { findUp } from './daemons/up-file.ts';
import { type CommonFlags, settingsOf } from './settings.ts';
import type { Terminal } from './terminal.ts';

/** A person waits in front of it. */
const firstSessionMs = 5000;

export async function withClient<T>(
  terminal: Terminal,
  flags: CommonFlags,
  use: (client: Client) => Promise<T>,
): Promise<T> {
  const { home, broker: endpoints, logLevel } = settingsOf(terminal, flags);
  if (findUp(home) === undefined && (await allRefuse(endpoints))) {
    const words = `no grid is up at ${endpoints.join(', ')}: start one with "grid up", or say where it is by GRID_HOME or GRID_BROKER`;
    throw new GridError(failure('lost.broker', words));
  }
  // What the link does is of interest only to somebody who asked for it.
  const log = createLog({ daemon: 'grid', level: logLevel === 'debug' ? 'debug' : 'silent' });
  let wasLost = false;
  const onConnection = (state: 'open' | 'lost', reason: string): void => {
    if (state === 'lost') terminal.err(`the broker is away (${reason}); waiting for it\n`);
    else if (wasLost) terminal.err('the broker is back\n');
    wasLost = state === 'lost';
  };
  const client = await connect({ home, endpoints, log, firstSessionMs, onConnection });
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

/**
 * Saves a person five seconds of waiting at a socket that nobody has made, or whose maker is gone. A supervised broker
 * that is just being restarted is worth the wait.
 */
async function allRefuse(endpoints: readonly string[]): Promise<boolean> {
  const refusals = await Promise.all(endpoints.map(refuses));
  return refusals.every((refused) => refused);
}

function refuses(endpoint: string): Promise<boolean> {
  if (!endpoint.startsWith('ipc://')) return Promise.resolve(false);
  return new Promise((resolve) => {
    const socket = connectSocket(endpoint.slice('ipc://'.length));
    const done = (refused: boolean): void => {
      socket.destroy();
      resolve(refused);
    };
    socket.once('connect', () => done(false));
    socket.once('error', () => done(true));
  });
}
