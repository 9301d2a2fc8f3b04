/** The reference machine's cards, an RTX 3060 12 GB and a GTX 1060 of 6064 MiB, as a fake nvidia-smi that prints recordings. */
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const rtx3060 = 'GPU-d6889ff6-2523-9142-ca3c-1ca3f396a625';
export const gtx1060 = 'GPU-1060aaaa-0000-1111-2222-333344445555';

/** The recording of an RTX 3060, with a GTX 1060 beside it that is told in the same words. */
export function forgeReport(): string {
  const path = join(import.meta.dirname, '../fixtures/nvidia-smi/rtx-3060-v12.xml');
  const recording = readFileSync(path, 'utf8');
  const card = /<gpu [\s\S]*<\/gpu>/.exec(recording)?.[0] ?? '';
  const other = card
    .replace(rtx3060, gtx1060)
    .replace('NVIDIA GeForce RTX 3060', 'NVIDIA GeForce GTX 1060 6GB')
    .replace('<total>12288 MiB', '<total>6064 MiB')
    .replace('<free>11806 MiB', '<free>6064 MiB')
    .replace(/<pci_device_id>[^<]*/, '<pci_device_id>1C0310DE');
  return recording.replace(card, card + other);
}

/** Returns the program; it prints `forge.xml` of the folder, and adds a line to `looks` each time. */
export function fakeNvidiaSmi(folder: string): string {
  writeFileSync(join(folder, 'forge.xml'), forgeReport());
  writeFileSync(join(folder, 'looks'), '');
  const program = join(folder, 'nvidia-smi');
  writeFileSync(
    program,
    `#!/bin/sh\n[ "$1" = -q ] || exit 1\necho >>${folder}/looks\nexec cat ${folder}/forge.xml\n`,
  );
  chmodSync(program, 0o755);
  return program;
}
