/** What machines serve models with, as people read it. */
import { formatComputeCapability, type ModelEngine, type NodeDocument } from '@gryphgen/protocol';
import { printable, printableDocument } from '../printable.ts';
import type { Terminal } from '../terminal.ts';
import { table } from './table.ts';

interface MachineEngines {
  readonly worker: string;
  readonly workerName: string;
  readonly state: NodeDocument['state'];
  /** The preferred first. */
  readonly engines: readonly ModelEngine[];
}

export function enginesOf(nodes: readonly NodeDocument[]): readonly MachineEngines[] {
  return nodes.map(({ id, name, state, report }) => ({
    ...{ worker: id, workerName: name, state },
    engines: report?.engines ?? [],
  }));
}

/** Cards that a CUDA build has no code for are not its. */
export function placesWords({ backends, leastCapability }: ModelEngine): string {
  const words = backends.join(', ');
  return leastCapability === undefined
    ? words
    : `${words} (CUDA: compute capability ${formatComputeCapability(leastCapability)} and newer)`;
}

export function engineTable(machines: readonly MachineEngines[], { columns }: Terminal): readonly string[] {
  const rows = machines.flatMap(({ workerName, engines }) =>
    engines.map((engine) => ({ workerName, ...engine })),
  );
  const without = machines.filter(({ engines }) => engines.length === 0).map(({ workerName }) => workerName);
  const words = `without an engine: ${without.map(printable).join(', ')} ("grid engine add" there adds one, GRID_LLAMA_SERVER names one, or llama-server on the PATH is found)`;
  return [
    ...(rows.length === 0
      ? []
      : table(
          printableDocument(rows),
          [
            { title: 'WORKER', value: ({ workerName }) => workerName },
            { title: 'ENGINE', value: ({ name }) => name },
            { title: 'VERSION', value: ({ version }) => version },
            { title: 'COMPUTES ON', value: placesWords },
          ],
          columns,
        )),
    ...(without.length === 0 ? [] : [words]),
  ];
}
