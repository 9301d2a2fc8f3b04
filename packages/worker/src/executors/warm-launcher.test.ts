import { describe, expect, it } from 'vitest';
import { isBegun, isReady, LaunchedOutput, orderText, whyNotLaunched } from './warm-launcher.ts';

const nonce = '0123456789abcdef';
const mark = '\x1e';
const start = `${mark}${nonce} ready\n${mark}${nonce} begun\n`;
const end = (code: number, kills = 0) => `${mark}${nonce} ended ${code} ${kills}\n`;

/** What is left of these outputs, which come in pieces of so many bytes. */
function read(out: string, err: string, pieceBytes: number, hasDevices = false) {
  const output = new LaunchedOutput({ nonce, hasDevices });
  const left = [out, err].map((text, index) => {
    const bytes = Buffer.from(text);
    const parts: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += pieceBytes)
      parts.push(output.take({ stream: index + 1, bytes: bytes.subarray(at, at + pieceBytes) }).slice());
    return Buffer.concat(parts).toString();
  });
  const rest = Buffer.from(output.rest()).toString();
  const { succeeded, outOfMemory, hasBegun } = output;
  return { left, rest, succeeded, outOfMemory, hasBegun };
}

describe('the output of what was launched', () => {
  const out = `one ${mark}${nonce} end\n${mark}${nonce.slice(0, 8)}`;

  it.each([1, 2, 7, 1000])("is the command's to the byte, in pieces of %i", (pieceBytes) => {
    const whole = read(`${start}${out}${end(0)}after`, `err${end(0)}`, pieceBytes);
    expect(whole).toEqual({
      left: [out, 'err'],
      rest: '',
      succeeded: true,
      outOfMemory: false,
      hasBegun: true,
    });
  });

  it('that ends without a word of the shell is all told', () => {
    const { left, rest, succeeded } = read(`${start}${out}`, 'err', 3);
    expect([`${left[0]}${rest}`, left[1], succeeded]).toEqual([out, 'err', false]);
  });

  it('is told as it comes, both streams in their order, whatever a text ends with', () => {
    const output = new LaunchedOutput({ nonce, hasDevices: false });
    const told = [start, 'a', 'is 0', nonce, '\n'].map((text, index) =>
      Buffer.from(output.take({ stream: 1 + (index % 2), bytes: Buffer.from(text) })).toString(),
    );
    expect(told).toEqual(['', 'a', 'is 0', nonce, '\n']);
  });

  it('tells a success only by both streams, with 0, and not where there are devices', () => {
    expect(read(`${start}${end(0)}`, '', 9).succeeded).toBe(false);
    expect(read(`${start}${end(3)}`, end(3), 9).succeeded).toBe(false);
    expect(read(`${start}${end(0)}`, end(0), 9, true).succeeded).toBe(false);
  });

  it('tells what the kernel killed', () => {
    expect(read(`${start}${end(137, 1)}`, end(137, 1), 5)).toMatchObject({
      outOfMemory: true,
      hasBegun: true,
    });
    expect(read(`${start}${end(137)}`, end(137), 5).outOfMemory).toBe(false);
    expect(read(`${start}${end(0, 1)}`, end(0, 1), 5)).toMatchObject({ outOfMemory: false, succeeded: true });
  });

  it('has begun when the shell says so, and not before', () => {
    const ready = `${mark}${nonce} ready\n`;
    expect([isReady(ready, nonce), isBegun(ready, nonce), isBegun('', nonce)]).toEqual([true, false, false]);
    expect(isBegun(`${ready}${mark}${nonce} b`, nonce)).toBe(true);
    expect(read(ready, '', 5).hasBegun).toBe(false);
    const cut = 'of a log whose start is gone';
    expect(read(cut, '', 5)).toMatchObject({ left: [cut, ''], hasBegun: true });
  });
});

describe('an order', () => {
  const order = { argv: ['echo', "it's"], env: { A: "'" }, stopSignal: 'SIGTERM', hasDevices: false };

  it('is one compound command in which what the user wrote stands in single quotes', () => {
    const text = orderText(order);
    expect(text).toMatch(/^\{\n[\s\S]*\n\}\n$/);
    expect(text).toContain(String.raw`A=''\''' /sbin/docker-init -s -- 'echo' 'it'\''s' </dev/null`);
  });

  it('lets the shell rest after a success, unless there are devices whose memory is to be free', () => {
    expect(orderText(order)).toContain('ended "$?" rest\n');
    expect(orderText({ ...order, hasDevices: true })).toContain('ended "$?" exit\n');
  });

  it.each([
    [{ argv: [] }, 'neither it nor its image names a command'],
    [{ argv: ['a\0b'] }, 'its command holds a NUL character'],
    [{ env: { 'a b': 'x' } }, 'no shell can pass on the variable a b'],
    [{ env: { PWD: 'x' } }, 'no shell can pass on the variable PWD'],
    [{ stopSignal: 'SIGRTMIN+9' }, 'its stop signal is SIGRTMIN+9'],
    [{ argv: ["'".repeat(200_000)] }, 'its command and environment are too long'],
    [{}, null],
  ])('is refused in words where a shell cannot carry it out: %#', (over, why) => {
    expect(whyNotLaunched({ ...order, ...over })).toBe(why);
  });
});
