/** What a process has used so far, from /proc: nothing is asked of the process itself. */
import { readdirSync, readFileSync } from 'node:fs';

export interface ProcessUse {
  /** On a CPU, by thread name (threads of one name together), in µs. */
  readonly cpuUsByThread: ReadonlyMap<string, number>;
  readonly cpuUs: number;
  /** Handed to write(2) and its kin: files and pipes, not sockets. */
  readonly writtenBytes: number;
  readonly residentBytes: number;
}

export function useOf(pid: number): ProcessUse {
  const cpuUsByThread = new Map<string, number>();
  let cpuUs = 0;
  for (const tid of readdirSync(`/proc/${pid}/task`)) {
    const thread = readThread(`/proc/${pid}/task/${tid}`, tid === String(pid));
    cpuUsByThread.set(thread.name, (cpuUsByThread.get(thread.name) ?? 0) + thread.cpuUs);
    cpuUs += thread.cpuUs;
  }
  return {
    cpuUsByThread,
    cpuUs,
    writtenBytes: field(`/proc/${pid}/io`, 'wchar'),
    residentBytes: field(`/proc/${pid}/status`, 'VmRSS') * 1024,
  };
}

/** Node's own threads have the process's name; one with a niceness of its own is told apart by it. */
function readThread(folder: string, isMain: boolean): { readonly name: string; readonly cpuUs: number } {
  const comm = isMain ? 'main' : readFileSync(`${folder}/comm`, 'utf8').trim();
  const name = nicenessIn(readFileSync(`${folder}/stat`, 'utf8')) > 0 ? `${comm}.background` : comm;
  const [onCpuNs] = readFileSync(`${folder}/schedstat`, 'utf8').split(' ');
  return { name, cpuUs: Number(onCpuNs) / 1000 };
}

/** The 19th field; the 2nd may hold spaces and ends at the last bracket. */
function nicenessIn(stat: string): number {
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]);
}

function field(path: string, name: string): number {
  const found = new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(readFileSync(path, 'utf8'));
  if (found === null) throw new Error(`${path} has no ${name}`);
  return Number(found[1]);
}
