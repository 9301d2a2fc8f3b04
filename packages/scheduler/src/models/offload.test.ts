import { describe, expect, it } from 'vitest';
import { HOST, offloadLast } from './offload.ts';

describe('layers are offloaded from the last', () => {
  it('the output first of all', () => {
    expect(offloadLast(4, 1, [1])).toEqual({ devices: 1, layers: [HOST, HOST, HOST, HOST], output: 0 });
    expect(offloadLast(4, 3, [1])).toEqual({ devices: 1, layers: [HOST, HOST, 0, 0], output: 0 });
  });
  it('all of them when more are asked for', () => {
    expect(offloadLast(4, 999, [1])).toEqual({ devices: 1, layers: [0, 0, 0, 0], output: 0 });
  });
  it('none without a device, or when none is asked for', () => {
    const none = { layers: [HOST, HOST], output: HOST };
    expect(offloadLast(2, 999, [])).toEqual({ devices: 0, ...none });
    expect(offloadLast(2, 0, [1])).toEqual({ devices: 1, ...none });
  });
  it('in the proportions of the devices', () => {
    expect(offloadLast(5, 6, [2, 1])).toEqual({ devices: 2, layers: [0, 0, 0, 0, 1], output: 1 });
    expect(offloadLast(5, 3, [1, 2])).toEqual({ devices: 2, layers: [HOST, HOST, HOST, 0, 1], output: 1 });
    expect(offloadLast(3, 9, [1, 0])).toEqual({ devices: 2, layers: [0, 0, 0], output: 0 });
  });
});
