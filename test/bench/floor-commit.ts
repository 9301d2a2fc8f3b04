/** What the disk allows: records appended to a file, durable in groups, with as many records open as tasks are. */
import { mkdtempSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** About what the three decisions of one task take. */
const recordBytes = 400;

/** Records a second. `dir` is on the disk to measure. */
export async function commitFloor(records: number, outstanding: number, dir = tmpdir()): Promise<number> {
  const folder = mkdtempSync(join(dir, 'bench-floor-'));
  const file = await open(join(folder, 'log'), 'w');
  try {
    const begun = performance.now();
    for (let done = 0; done < records; ) {
      const group = Math.min(outstanding, records - done);
      await file.write(Buffer.alloc(group * recordBytes, 1));
      await file.datasync();
      done += group;
    }
    return (records * 1000) / (performance.now() - begun);
  } finally {
    await file.close();
    rmSync(folder, { recursive: true });
  }
}
