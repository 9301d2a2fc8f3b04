/**
 * Three end-to-end files run at a time; of those that look at the engine as a whole, or fill it with work, one. The turn to do so
 * is a connection to a socket of Vitest's own process: it ends with the file, however that ends.
 */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const variable = 'GRID_TEST_ENGINE_TURNS';

export async function setup(): Promise<() => void> {
  const folder = mkdtempSync(join(tmpdir(), 'gg-turns-'));
  const path = join(folder, 'turns.sock');
  /** The first has the turn. */
  const line: Socket[] = [];
  const give = (): void => void line[0]?.write('go');
  const server = createServer((socket) => {
    line.push(socket);
    if (line.length === 1) give();
    // A file that was killed leaves it as one that has ended.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      const had = line[0] === socket;
      line.splice(line.indexOf(socket), 1);
      if (had) give();
    });
    socket.resume();
  });
  server.listen(path);
  await once(server, 'listening');
  process.env[variable] = path;
  return () => {
    server.close();
    rmSync(folder, { recursive: true });
  };
}

/** Resolves when it is this process's turn, with how to end it. */
export async function takeTurn(): Promise<() => void> {
  const path = process.env[variable];
  if (path === undefined) throw new Error(`${variable} is not set: no global setup`);
  const turn = connect(path);
  await once(turn, 'data');
  return () => turn.destroy();
}
