/** How fast cards read their memory, in GB a second as their makers say, by what drivers call them. */
import type { Device } from '@gryphgen/protocol';

/** The first that is in the name: what is longer comes before what it begins with. */
const known: readonly (readonly [name: string, gigabytesPerS: number])[] = [
  ['gtx 1050 ti', 112],
  ['gtx 1060', 192],
  ['gtx 1070', 256],
  ['gtx 1080 ti', 484],
  ['gtx 1080', 320],
  ['gtx 1650', 128],
  ['gtx 1660', 192],
  ['rtx 2060', 336],
  ['rtx 2070', 448],
  ['rtx 2080 ti', 616],
  ['rtx 2080', 448],
  ['rtx 3050', 224],
  ['rtx 3060 ti', 448],
  ['rtx 3060', 360],
  ['rtx 3070 ti', 608],
  ['rtx 3070', 448],
  ['rtx 3080 ti', 912],
  ['rtx 3080', 760],
  ['rtx 3090', 936],
  ['rtx 4060', 272],
  ['rtx 4070', 504],
  ['rtx 4080', 717],
  ['rtx 4090', 1008],
  ['rtx 5090', 1792],
  ['tesla p40', 346],
  ['tesla p100', 732],
  ['tesla t4', 320],
  ['v100', 900],
  ['a10g', 600],
  ['a40', 696],
  ['a100', 1555],
  ['l40', 864],
  ['l4', 300],
  ['h100 pcie', 2039],
  ['h100', 3350],
  ['h200', 4800],
];
const GB = 1e9;

/** Undefined of a card that is not known. */
export function bandwidthOf({ name }: Pick<Device, 'name'>): number | undefined {
  const lower = name.toLowerCase();
  const found = known.find(([part]) => lower.includes(part))?.[1];
  return found === undefined ? undefined : found * GB;
}
