/** An output that comes through two ways: a connection that breaks, or gives too much, and the engine's log. */
import { PassThrough } from 'node:stream';
import type { Container } from 'dockerode';
import { beforeEach, describe, expect, it } from 'vitest';
import type { LogWriter } from '../attempt-log.ts';
import { AttachedOutput } from './attached-output.ts';
import { frame } from './engine-frames.fixture.ts';
import { OutputCopy, wholeOutput } from './output-copy.ts';
import { LaunchedOutput } from './warm-launcher.ts';

const nonce = '0123456789abcdef';
const start = frame(`\x1e${nonce} ready\n\x1e${nonce} begun\n`);
const end = (code: number) => {
  const words = `\x1e${nonce} ended ${code} 0\n`;
  return Buffer.concat([frame(words, 1), frame(words, 2)]);
};

let connection: PassThrough;
let logged: PassThrough[];
let text: string;
/** What the disk is to take first. */
let disk: Promise<void>;
let copy: OutputCopy;
let over: Promise<void>;
let log: LogWriter;
let container: Container;

beforeEach(() => {
  connection = new PassThrough();
  logged = [];
  text = '';
  disk = Promise.resolve();
  log = {
    write: async (bytes) => {
      await disk;
      text += Buffer.from(bytes).toString();
      return true;
    },
    end: async () => undefined,
  };
  container = {
    logs: async () => {
      const stream = new PassThrough();
      logged.push(stream);
      return stream;
    },
  } as unknown as Container;
  const reader = new LaunchedOutput({ nonce, hasDevices: false });
  copy = new OutputCopy(log, reader, new AttachedOutput(connection));
  over = copy.run(container, new AbortController().signal);
});

/** Everything that needs no more than its turn has happened. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
}

describe('an output that comes through a connection', () => {
  it('has succeeded when the log has it, and the engine is asked for nothing', async () => {
    let take: () => void = () => undefined;
    disk = new Promise((resolve) => {
      take = resolve;
    });
    let isTold = false;
    void copy.succeeded.then(() => {
      isTold = true;
    });
    connection.write(Buffer.concat([start, frame('hello\n'), end(0)]));
    await settled();
    expect([isTold, text]).toEqual([false, '']);
    take();
    await copy.succeeded;
    await over;
    expect([text, logged.length, connection.destroyed]).toEqual(['hello\n', 0, false]);
    copy.stop();
    expect(connection.destroyed).toBe(true);
  });

  it('goes on in the log where the connection breaks, with nothing twice', async () => {
    connection.write(Buffer.concat([start, frame('one\ntw'), frame('err', 2)]));
    await settled();
    connection.destroy(new Error('ECONNRESET'));
    await settled();
    // In another order than it came through the connection.
    logged[0]?.write(Buffer.concat([frame('error\n', 2), start, frame('one\ntwo\n'), end(0)]));
    await copy.succeeded;
    expect(text).toBe('one\ntwerror\no\n');
  });

  it('is read no further than its beginning, which no slow disk holds up', async () => {
    let take: () => void = () => undefined;
    disk = new Promise((resolve) => {
      take = resolve;
    });
    const lines = Array.from({ length: 40_000 }, (_, index) => `${index}\n`);
    const pieces = lines.map((line) => frame(line));
    connection.write(start);
    for (let at = 0; !connection.destroyed; at += 100) {
      expect(at).toBeLessThan(pieces.length);
      connection.write(Buffer.concat(pieces.slice(at, at + 100)));
      await settled();
    }
    take();
    await settled();
    expect(text.length).toBeLessThan(100_000);
    logged[0]?.end(Buffer.concat([start, ...pieces, end(0)]));
    await over;
    expect(text).toBe(lines.join(''));
  });

  it('that tells another end than a success is over when the engine says so', async () => {
    let isOver = false;
    void over.then(() => {
      isOver = true;
    });
    connection.write(Buffer.concat([start, frame('no\n'), end(3)]));
    await settled();
    expect([isOver, text, connection.destroyed]).toEqual([false, 'no\n', true]);
    logged[0]?.end(Buffer.concat([start, frame('no\n'), end(3)]));
    await over;
    expect(text).toBe('no\n');
  });

  it('is asked for once more where the engine has not told it to its end', async () => {
    connection.end(Buffer.concat([start, frame('one\n')]));
    await settled();
    logged[0]?.end(Buffer.concat([start, frame('one\ntwo\nth')]));
    await settled();
    logged[1]?.end(Buffer.concat([start, frame('one\ntwo\nthree\n'), end(3)]));
    await over;
    expect([text, logged.length]).toEqual(['one\ntwo\nthree\n', 2]);
  });
});

describe("an output that comes by the engine's log alone", () => {
  it('is whole though the engine took the end of the container for that of the log', async () => {
    copy = new OutputCopy(log, wholeOutput, null);
    over = copy.run(container, new AbortController().signal);
    await settled();
    logged[0]?.end(Buffer.concat([frame('one\ntwo\nth'), frame('er', 2)]));
    await settled();
    logged[1]?.end(Buffer.concat([frame('one\n'), frame('err\n', 2), frame('two\nthree\n')]));
    await over;
    expect([text, logged.length]).toEqual(['one\ntwo\ntherr\nree\n', 2]);
  });
});
