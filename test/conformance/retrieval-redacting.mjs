/** Ingests into a redacted collection until it is killed: `node retrieval-redacting.mjs FOLDER`. Says which rounds are done. */
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RetrievalService } from '@gryphgen/retrieval';

const [, , folder] = process.argv;
const service = await RetrievalService.open(join(folder, 'kept'));
const ingesting = { signal: new AbortController().signal, tell: () => undefined };
const kinds = ['email', 'phone', 'key', 'token', 'name'];
await service.redact({ op: 'redact', collection: 'letters', kinds, names: ['Ada Lovelace'] });
for (let round = 1; ; round += 1) {
  const files = [];
  for (let n = 0; n < 20; n += 1) {
    const text = `# Letter ${n} of Ada Lovelace\n\nRound ${round}: ada.lovelace@example.org, +49 30 1234567.\n`;
    const hash = createHash('sha256').update(text).digest('hex');
    const at = join(folder, `${n}.md`);
    await writeFile(at, text);
    files.push({ path: `ada-lovelace/${n}.md`, bytes: Buffer.byteLength(text), hash, at });
  }
  await service.sync('letters', { machine: 'forge', path: '/letters' }, files, ingesting);
  process.send(round);
}
