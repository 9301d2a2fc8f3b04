import { once } from 'node:events';
import { IncomingMessage, request, ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { AnswerHead } from '@gryphgen/client';
import { failure, GridError } from '@gryphgen/protocol';
import { systemAlarms, systemClock } from '@gryphgen/runtime';
import { describe, expect, it } from 'vitest';
import { bytes, chat, deferred, GatewayFixture } from './gateway.fixture.ts';
import { relayAnswer } from './relay-answer.ts';

const fixture = new GatewayFixture();

describe('a stream whose question waits', () => {
  it('says so until its answer begins', async () => {
    const head = deferred<AnswerHead>();
    fixture.grid.head = () => head.promise;
    fixture.grid.answers = async function* () {
      yield bytes('data: 1\n\n');
    };
    const url = await fixture.open({ waitingMs: 20 });
    const answer = await fixture.begin(`${url}/v1/chat/completions`, chat({ stream: true }));
    expect(answer).toMatchObject({
      statusCode: 200,
      headers: { 'content-type': 'text/event-stream', 'x-request-id': 'e3.17' },
    });
    for (let line = 0; line < 2; line++) {
      const [said] = (await once(answer, 'data')) as [Buffer];
      expect(said.toString()).toMatch(/^(: waiting for tiny\n\n)+$/);
    }
    head.resolve({ status: 200, contentType: 'text/event-stream' });
    expect(await text(answer)).toMatch(/^(: waiting for tiny\n\n)*data: 1\n\n$/);
  });

  it('is told in an event what its status would have said', async () => {
    const refused = { error: { code: 400, type: 'exceed_context_size_error', message: 'too long' } };
    const head = deferred<AnswerHead>();
    fixture.grid.head = () => head.promise;
    fixture.grid.answers = async function* () {
      yield bytes(JSON.stringify(refused));
    };
    const url = await fixture.open({ waitingMs: 20 });
    const answer = await fixture.begin(`${url}/v1/chat/completions`, chat({ stream: true }));
    head.resolve({ status: 400, contentType: 'application/json' });
    const [, json = ''] = /\n\nevent: error\ndata: (.*)\n\n$/.exec(await text(answer)) ?? [];
    expect(JSON.parse(json)).toMatchObject({
      error: { type: 'exceed_context_size_error', message: 'too long (task e3.17)' },
    });
    const { body } = await fixture.ask(`${url}/metrics`, undefined);
    expect(body).toContain('requests_total{route="/v1/chat/completions",status="400"} 1');
  });

  it('and what is no stream, or is refused at once, has a status', async () => {
    const head = deferred<AnswerHead>();
    fixture.grid.head = () => head.promise;
    const url = await fixture.open({ waitingMs: 20, firstByteMs: 200 });
    expect(await fixture.ask(`${url}/v1/chat/completions`, chat())).toMatchObject({ status: 504 });
    fixture.grid.refuses = new GridError(failure('unplaceable.timeout', 'nobody has it'));
    const refused = await fixture.ask(`${url}/v1/chat/completions`, chat({ stream: true }));
    expect(refused).toMatchObject({ status: 504, error: { code: 'unplaceable.timeout' } });
  });
});

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
      yield bytes('{"of":');
      throw new GridError(failure('lost.worker', 'its machine went away'));
    };
    const url = await fixture.open();
    await expect(fixture.ask(`${url}/v1/completions`, chat())).rejects.toThrow(/aborted|hang up/);
    const { body } = await fixture.ask(`${url}/metrics`, undefined);
    expect(body).toContain('requests_total{route="/v1/completions",status="502"} 1');
  });

  it('that is no event stream is refused as long as nothing of it was sent, and says how long it is when it is of one piece', async () => {
    fixture.grid.answers = async function* () {
      yield bytes('{"half":');
      throw new GridError(failure('lost.worker', 'its machine went away'));
    };
    const url = await fixture.open();
    const refused = await fixture.ask(`${url}/v1/completions`, chat());
    expect(refused).toMatchObject({ status: 502, error: { code: 'lost.worker' } });
    fixture.grid.answers = async function* () {
      yield bytes('{"whole":1}');
    };
    const { status, headers, body } = await fixture.ask(`${url}/v1/completions`, chat());
    expect([status, body]).toEqual([200, '{"whole":1}']);
    expect(headers).toMatchObject({
      ...{ 'content-length': '11', 'content-type': 'application/json', 'cache-control': 'no-store' },
    });
    fixture.grid.answers = async function* () {
      yield bytes('{"who');
      yield bytes('le":1}');
    };
    expect((await fixture.ask(`${url}/v1/completions`, chat())).body).toBe('{"whole":1}');
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
    await expect
      .poll(async () => (await fixture.ask(`${url}/metrics`, undefined)).body)
      .toContain('bad_connections_total{reason="answer not taken"} 1');
    socket.destroy();
  });

  it('ends for a client that takes a little of it again and again', async () => {
    const slow = new Duplex({
      writableHighWaterMark: 1024,
      read: () => undefined,
      write: (_, __, taken) => void setTimeout(taken, 20),
    });
    const response = new ServerResponse(new IncomingMessage(slow as Socket));
    response.assignSocket(slow as Socket);
    // As the server does.
    slow.on('drain', () => response.emit('drain'));
    const gone = new AbortController();
    let sent = 0;
    const answer = (async function* () {
      for (;;) yield new Uint8Array(1024);
    })();
    const relayed = relayAnswer(
      {
        ...{ task: Promise.resolve(undefined), question: 1, way: 'task', body: answer },
        head: Promise.resolve({ status: 200, contentType: 'text/event-stream' }),
        result: new Promise(() => undefined),
      },
      {
        ...{ response, signal: gone.signal, clock: systemClock, alarms: systemAlarms, stallMs: 300 },
        onStalled: () => gone.abort(),
        ...{ waiting: undefined, onFirstByte: () => undefined },
        onBytes: (count) => {
          sent += count;
        },
      },
    );
    await expect(relayed).rejects.toMatchObject({ name: 'AbortError' });
    expect(sent).toBeGreaterThan(1024);
    expect(sent).toBeLessThan(64 * 1024);
  });
});
