import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { revokeApiKey } from '@gryphgen/runtime';
import { describe, expect, it } from 'vitest';
import { bytes, chat, GatewayFixture } from './gateway.fixture.ts';

const fixture = new GatewayFixture();

describe('a key', () => {
  it('is asked for, and how to make one is told', async () => {
    const url = await fixture.open();
    const none = await fixture.ask(`${url}/v1/models`, undefined, { authorization: '' });
    expect(none).toMatchObject({ status: 401, error: { code: 'missing_api_key' } });
    rmSync(join(fixture.home, 'keys', 'api-keys.json'));
    const first = await fixture.ask(`${url}/v1/models`, undefined, { authorization: '' });
    expect(first.error.message).toContain('grid key create');
    expect(await fixture.ask(`${url}/health`, undefined, { authorization: '' })).toMatchObject({
      status: 200,
    });
  });

  it('is refused once it is revoked, has expired, or is for something else', async () => {
    const url = await fixture.open();
    const { id, key: other } = await fixture.newKey();
    const withKey = (one: string) =>
      fixture.ask(`${url}/v1/models`, undefined, { authorization: `Bearer ${one}` });
    expect(await withKey(other)).toMatchObject({ status: 200 });
    await revokeApiKey(fixture.home, id);
    expect(await withKey(other)).toMatchObject({ status: 401, error: { code: 'invalid_api_key' } });
    expect((await withKey((await fixture.newKey({ expiresAt: 1 })).key)).error.message).toContain(
      'has expired',
    );
    const { key: narrow } = await fixture.newKey({ scopes: ['infer'] });
    expect(await withKey(narrow)).toMatchObject({ status: 403, error: { code: 'missing_scope' } });
    expect(
      await fixture.ask(`${url}/v1/completions`, chat(), { authorization: '', 'x-api-key': narrow }),
    ).toMatchObject({
      status: 200,
    });
  });

  it('has its rate, and its requests at a time', async () => {
    const url = await fixture.open();
    const { key: rare } = await fixture.newKey({ perMinute: 2 });
    const authorization = `Bearer ${rare}`;
    for (const status of [200, 200, 429])
      expect(await fixture.ask(`${url}/v1/models`, undefined, { authorization })).toMatchObject({ status });
    const { headers } = await fixture.ask(`${url}/v1/models`, undefined, { authorization });
    expect(Number(headers['retry-after'])).toBeGreaterThan(20);

    const { key: one } = await fixture.newKey({ concurrent: 1 });
    let goOn: () => void = () => undefined;
    const going = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    fixture.grid.answers = async function* () {
      yield bytes('{');
      // The first goes with this one.
      yield bytes(' ');
      await going;
      yield bytes('}');
    };
    const answer = await fixture.begin(`${url}/v1/completions`, chat(), one);
    const second = await fixture.ask(`${url}/v1/completions`, chat(), { authorization: `Bearer ${one}` });
    expect(second).toMatchObject({ status: 429, error: { code: 'concurrency_limit' } });
    goOn();
    expect(await text(answer)).toBe('{ }');
  });

  it('cannot be told by a list that is damaged, whatever stands in it', async () => {
    const url = await fixture.open();
    writeFileSync(join(fixture.home, 'keys', 'api-keys.json'), '{"version":1}');
    const { status, error } = await fixture.ask(`${url}/v1/models`, undefined);
    expect({ status, code: error.code }).toEqual({ status: 500, code: 'internal.bug' });
  });
});
