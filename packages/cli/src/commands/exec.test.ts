/** `grid exec` as far as it goes without a grid. */
import { Writable } from 'node:stream';
import { expect, it } from 'vitest';
import { run } from '../program.ts';
import { openTerminal } from '../terminal.ts';

async function exec(args: string) {
  let stderr = '';
  const out = new Writable({ write: (_chunk, _encoding, done) => done() });
  const err = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      stderr += chunk.toString();
      done();
    },
  });
  const code = await run(openTerminal(out, err, { GRID_HOME: '/nowhere' }), ['exec', ...args.split(' ')]);
  return { code, stderr };
}

it.each([
  ['t1', 'there is nothing to run: give a command after "--"'],
  ['t1 sh', 'a command to run goes after "--"'],
  ['banana -- sh', 'expected a task id such as t42'],
  ['-it t1 -- sh', '-t: the input device is not a TTY'],
  ['-t --json t1 -- sh', '--json and -t: a terminal is no document, give only one of them'],
  ['t1 --user root -- sh', '--user: found "root", expected uid or uid:gid in numbers'],
  ['t1 --workdir tmp -- sh', '--workdir: found "tmp", expected an absolute path'],
  ['t1 --env A -- sh', '--env: found "A", expected NAME=VALUE'],
])('grid exec %s', async (args, expected) => {
  const { code, stderr } = await exec(args);
  expect(stderr).toContain(expected);
  expect(code).toBe(2);
});
