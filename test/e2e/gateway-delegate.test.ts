/** A gateway with a home of its own, which acts for others and for nobody else. */
import { once } from 'node:events';
import { afterAll, expect, it } from 'vitest';
import { GridFixture } from './cli-grid.fixture.ts';

const [forge, laptop, edge] = [new GridFixture(), new GridFixture(), new GridFixture()];
afterAll(async () => {
  for (const grid of [edge, laptop, forge]) await grid.stop();
});

let reach = '';

async function join(grid: GridFixture, role: string): Promise<string> {
  const { ticket } = await forge.json<{ ticket: string }>(
    ...['ticket', 'create', '--role', role, '--reach', reach],
  );
  return (await grid.json<{ id: string }>('join', '--yes', ticket)).id;
}

it('asks in the name of a key’s principal as long as that one may enter', async () => {
  const { broker } = await forge.json<{ broker: string }>('up', '--detach', '--listen', 'tcp://127.0.0.1:*');
  reach = broker.split(',').find((endpoint) => endpoint.startsWith('tcp:')) ?? '';
  const person = await join(laptop, 'submitter');
  await join(edge, 'delegate');
  const nobody = await edge.grid('key', 'create');
  expect(nobody).toMatchObject({ code: 2, stderr: expect.stringContaining('say for whom') });
  const { key } = await edge.json<{ key: string }>('key', 'create', '--principal', person);

  edge.env.GRID_LOG_LEVEL = 'info';
  const gateway = edge.start('gateway', '--listen', '127.0.0.1:0');
  let url: string | undefined;
  while (url === undefined) {
    await once(gateway.child.stderr, 'data');
    url = /"url":"([^"]+)"/.exec(gateway.stderr)?.[1];
  }
  const models = () => fetch(`${url}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
  expect(await (await models()).json()).toEqual({ object: 'list', data: [] });
  expect((await forge.grid('principal', 'revoke', person)).code).toBe(0);
  const refused = await models();
  expect(refused.status).toBe(403);
  expect(await refused.json()).toMatchObject({ error: { code: 'rejected.forbidden' } });
  gateway.child.kill('SIGTERM');
  expect((await gateway.end()).code).toBe(0);
});
