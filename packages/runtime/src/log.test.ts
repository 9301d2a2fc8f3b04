import { expect, it } from 'vitest';
import { createLog } from './log.ts';

it('says who speaks and hides secrets', () => {
  const lines: string[] = [];
  const log = createLog({ daemon: 'broker', level: 'info', to: { write: (line) => void lines.push(line) } });
  log.debug('nothing');
  log.info(
    { curve: { secretKey: 'S3CRET', publicKey: 'open' }, request: { headers: { authorization: 'S3CRET' } } },
    'up',
  );
  expect(lines).toHaveLength(1);
  expect(lines[0]).not.toContain('S3CRET');
  expect(JSON.parse(String(lines[0]))).toMatchObject({
    daemon: 'broker',
    msg: 'up',
    curve: { publicKey: 'open' },
  });
});
