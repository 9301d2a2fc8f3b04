/** What comes on a connection and is no proper request, and what keeps one open. */
import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { chat, GatewayFixture } from './gateway.fixture.ts';

const fixture = new GatewayFixture();

describe('a connection', () => {
  it('that says no HTTP, sends too long headers, or sends slowly, is told so and closed', async () => {
    const url = await fixture.open();
    expect(await fixture.raw(url, 'hello\r\n\r\n')).toContain('HTTP/1.1 400 Bad Request');
    expect(await fixture.raw(url, `GET / HTTP/1.1\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`)).toContain(
      'HTTP/1.1 431',
    );
    const hasty = await fixture.open({ headersMs: 100, requestMs: 200 });
    expect(await fixture.raw(hasty, 'GET / HTTP/1.1\r\nx: y')).toContain('HTTP/1.1 408');
    const slow = `POST /v1/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${fixture.key}\r\ncontent-length: 99\r\n\r\n{`;
    expect(await fixture.raw(hasty, slow)).toContain('HTTP/1.1 408');
  });

  it('whose body trickles in is told so, counted, and holds no place of a request', async () => {
    const url = await fixture.open({ headersMs: 2000, requestMs: 2000 });
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    socket.on('error', () => undefined);
    const head = `POST /v1/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${fixture.key}`;
    socket.write(`${head}\r\ncontent-length: 100000\r\n\r\n{`);
    const trickle = setInterval(() => socket.write(' '), 10);
    const told = await text(socket);
    clearInterval(trickle);
    socket.destroy();
    expect(told).toMatch(/^HTTP\/1.1 408 .*"the request did not come in time"/s);
    const { body } = await fixture.ask(`${url}/metrics`, undefined);
    expect(body).toContain('bad_connections_total{reason="too slow"} 1');
    expect(body).toContain('gateway_open_requests 1\n');
    expect(fixture.grid.asked).toEqual([]);
  });

  it('is used again for what is asked next, also after a refusal', async () => {
    const url = await fixture.open({ bodyBytes: 1000 });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    fixture.onEnd(() => agent.destroy());
    const ports = new Set<number | undefined>();
    for (const body of [chat(), '{', chat({ pad: 'x'.repeat(5000) }), chat()]) {
      const asked = request(`${url}/v1/completions`, {
        agent,
        method: 'POST',
        headers: { authorization: `Bearer ${fixture.key}` },
      });
      asked.end(body);
      const [answer] = (await once(asked, 'response')) as [IncomingMessage];
      ports.add(answer.socket.localPort);
      await text(answer);
    }
    expect(ports.size).toBe(1);
  });

  it('waits with its body until it is told to go on, and not for nothing', async () => {
    const url = await fixture.open();
    const head = (authorization: string) =>
      `POST /v1/completions HTTP/1.1\r\nhost: x\r\nauthorization: ${authorization}\r\nexpect: 100-continue\r\nconnection: close\r\ncontent-length: ${chat().length}\r\n\r\n`;
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    socket.write(head(`Bearer ${fixture.key}`));
    const [went] = (await once(socket, 'data')) as [Buffer];
    expect(went.toString()).toContain('100 Continue');
    socket.write(chat());
    expect(await text(socket)).toContain('{"ok":true}');
    expect(await fixture.raw(url, head('Bearer nobody'))).toMatch(/^HTTP\/1.1 401/);
  });
});
