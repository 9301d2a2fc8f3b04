/** The ledger of machines and their devices: what is reserved, what is seen to be used, what others hold, what is free. */
import { type Device, formatBytes, type NodeDocument } from '@gryphgen/protocol';
import { printableDocument } from '../printable.ts';
import { table } from './table.ts';

interface Row {
  readonly node: string;
  readonly what: string;
  readonly has: string;
  readonly reserved: string;
  readonly observed: string;
  readonly foreign: string;
  readonly free: string;
}

/** Null where the broker does not tell. */
export function freeOn({ ledger }: NodeDocument, { uuid }: Pick<Device, 'uuid'>): number | null {
  return ledger?.free.devices.find((device) => device.uuid === uuid)?.vramBytes ?? null;
}

/** For each machine that has reported its processors, its memory and each of its devices. */
export function ledgerTable(nodes: readonly NodeDocument[], columns: number): readonly string[] {
  return table(
    printableDocument(nodes).flatMap(rowsOf),
    [
      { title: 'LEDGER', value: ({ node }) => node },
      { title: 'OF', value: ({ what }) => what },
      { title: 'HAS', value: ({ has }) => has, right: true },
      { title: 'RESERVED', value: ({ reserved }) => reserved, right: true },
      { title: 'OBSERVED', value: ({ observed }) => observed, right: true },
      { title: 'FOREIGN', value: ({ foreign }) => foreign, right: true },
      { title: 'FREE', value: ({ free }) => free, right: true },
    ],
    columns,
  );
}

function rowsOf(node: NodeDocument): readonly Row[] {
  const { name, report, reserved, ledger } = node;
  if (report === null) return [];
  const row = (what: string, amounts: Omit<Row, 'node' | 'what'>): Row => ({ node: name, what, ...amounts });
  return [
    row('CPU', {
      has: cpus(report.cpuMilli),
      reserved: cpus(reserved.cpuMilli),
      observed: cpus(ledger?.observed.cpuMilli),
      foreign: '-',
      free: cpus(ledger?.free.cpuMilli),
    }),
    row('memory', {
      has: bytes(report.memoryBytes),
      reserved: bytes(reserved.memoryBytes),
      observed: bytes(ledger?.observed.memoryBytes),
      foreign: bytes(report.foreignBytes),
      free: bytes(ledger?.free.memoryBytes),
    }),
    ...report.devices.map((device) =>
      row(device.name, {
        has: bytes(device.vramBytes),
        reserved: bytes(reserved.devices.find(({ uuid }) => uuid === device.uuid)?.vramBytes ?? 0),
        observed: bytes(device.gridBytes),
        foreign: bytes(device.foreignBytes),
        free: bytes(freeOn(node, device)),
      }),
    ),
  ];
}

function bytes(amount: number | null | undefined): string {
  return amount == null ? '-' : formatBytes(amount);
}

function cpus(milli: number | undefined): string {
  return milli === undefined ? '-' : String(milli / 1000);
}
