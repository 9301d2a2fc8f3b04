import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { failure, GridError } from '@gryphgen/protocol';
import { describe, expect, it } from 'vitest';
import { bytes, chat, GatewayFixture } from './gateway.fixture.ts';

const fixture = new GatewayFixture();

describe('a stream', () => {
  it('comes as it is made, and says in it that it breaks off', async () => {
    fixture.grid.contentType = 'text/event-stream';
    let goOn: () => void = () => undefined;
    const seen = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    fixture.grid.answers = async function* () {
      yield bytes('data: 1\n\n');
      await seen;
      throw new GridError(failure('lost.worker', 'its machine went away'));
    };
    const url = await fixture.open();
    const asked = request(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${fixture.key}` },
    });
    asked.end(chat({ stream: true }));
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    const [first] = (await once(answer, 'data')) as [Buffer];
    expect(first.toString()).toBe('data: 1\n\n');
    goOn();
    const rest = await text(answer);
    const [, json = ''] = /^event: error\ndata: (.*)\n\n$/.exec(rest) ?? [];
    expect(JSON.parse(json)).toMatchObject({
      error: { code: 'lost.worker', message: 'its machine went away (task e3.17)' },
    });
  });

  it('that is no event stream breaks off without an end', async () => {
    fixture.grid.answers = async function* () {
      yield bytes('{"half":');
      throw new GridError(failure('lost.worker', 'its machine went away'));
    };
    const url = await fixture.open();
    await expect(fixture.ask(`${url}/v1/completions`, chat())).rejects.toThrow(/aborted|hang up/);
    const { body } = await fixture.ask(`${url}/metrics`, undefined);
    expect(body).toContain('requests_total{route="/v1/completions",status="502"} 1');
  });

  it('ends for the grid when its client leaves, and is counted', async () => {
    let began: () => void = () => undefined;
    const begun = new Promise<void>((resolve) => {
      began = resolve;
    });
    let ended: Promise<unknown> = Promise.resolve();
    fixture.grid.contentType = 'text/event-stream';
    fixture.grid.answers = async function* (_, signal) {
      ended = once(signal, 'abort');
      began();
      yield bytes('data: 1\n\n');
      await ended;
    };
    const url = await fixture.open();
    const asked = request(`${url}/v1/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${fixture.key}` },
    });
    asked.on('error', () => undefined);
    asked.end(chat());
    await begun;
    asked.destroy();
    await ended;
    await expect
      .poll(async () => (await fixture.ask(`${url}/metrics`, undefined)).body)
      .toContain('requests_total{route="/v1/completions",status="499"} 1');
  });

  it('is not asked for faster than its client takes it, and ends for one that takes none', async () => {
    let made = 0;
    let ended: () => void = () => undefined;
    const over = new Promise<void>((resolve) => {
      ended = resolve;
    });
    fixture.grid.answers = async function* () {
      try {
        for (; made < 10_000; made++) yield new Uint8Array(64 * 1024);
      } finally {
        ended();
      }
    };
    const url = await fixture.open({ stallMs: 200 });
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    socket.on('error', () => undefined);
    socket.pause();
    const body = chat();
    socket.write(
      `POST /v1/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${fixture.key}\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    await over;
    expect(made).toBeLessThan(1000);
    socket.destroy();
  });
});
