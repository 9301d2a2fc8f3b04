/** A grid's daemons, and the llama-servers that serve from its home or a worker's, as the kernel lists them. */
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { json } from 'node:stream/consumers';

export function llamaServersOf(home: string): readonly number[] {
  return processes().filter((pid) => {
    const words = commandOf(pid);
    return words[0]?.endsWith('llama-server') && words.some((word) => word.startsWith(home));
  });
}

/** `name`: worker, gateway, … */
export function daemonsOf(home: string, name: string): readonly number[] {
  return processes().filter((pid) => {
    const at = commandOf(pid).findIndex((word) => word.endsWith('/bin/grid.js'));
    if (at < 0 || commandOf(pid)[at + 1] !== name) return false;
    return read(`/proc/${pid}/environ`).includes(`GRID_HOME=${home}\0`);
  });
}

/** In how many of its slots a llama-server writes. */
export async function slotsInUse(pid: number): Promise<number> {
  const words = commandOf(pid);
  const after = (flag: string): string => words[words.indexOf(flag) + 1] ?? '';
  const asked = request({
    ...{ socketPath: after('--host'), path: '/slots', agent: false },
    headers: { authorization: `Bearer ${readFileSync(after('--api-key-file'), 'utf8').trim()}` },
  });
  asked.end();
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  const slots = (await json(answer)) as readonly { readonly is_processing: boolean }[];
  return slots.filter((slot) => slot.is_processing).length;
}

function processes(): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name))
    .map(Number);
}

function commandOf(pid: number): readonly string[] {
  return read(`/proc/${pid}/cmdline`).split('\0');
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // it has ended meanwhile
  }
}
