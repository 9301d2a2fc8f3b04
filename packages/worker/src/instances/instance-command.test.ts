import type { InstanceBody } from '@gryphgen/protocol';
import { expect, it } from 'vitest';
import { instanceCommand } from './instance-command.ts';

const places = { modelPath: '/store/m.gguf', socketPath: '/run/m.sock', apiKeyFile: '/scratch/api-key' };
const body: InstanceBody = {
  ...{ model: 'tiny', use: 'infer', file: '', inputs: [], deviceLayers: 33 },
  serving: { slots: 4, slotTokens: 8192, kvType: 'q8_0' },
};

function command(flags: readonly string[], device: string, over: Partial<InstanceBody> = {}): string {
  const engine = {
    path: '/llama-server',
    version: '1',
    backends: ['cpu'],
    quietly: [],
    hasFlashWord: flags.includes('--flash-attn'),
    flags: new Set(flags),
  };
  return instanceCommand({ engine, device }, { ...body, ...over }, places, 2500).join(' ');
}

const known = ['--device', '--n-gpu-layers', '--no-ui', '--no-webui', '--fit', '--cache-ram', '--offline'];

it('has a slot for each request, threads for what was reserved, and no memory that was not', () => {
  const line = command(known, 'CUDA0');
  expect(line).toContain('--ctx-size 32768 --parallel 4 --threads 2');
  expect(line).toContain('--device CUDA0 --n-gpu-layers 33');
  expect(line).toContain('--cache-type-k q8_0 --cache-type-v q8_0');
  expect(line).toContain('--fit off --cache-ram 0');
  expect(line).toContain('--no-ui');
  expect(line).not.toContain('--no-webui');
});

it('is as it was tuned, as far as its build can be', () => {
  const serving = { ...body.serving, batchTokens: 2048, microBatchTokens: 1024, flashAttention: false };
  expect(command(['--flash-attn'], 'none', { serving })).toContain(
    '--batch-size 2048 --ubatch-size 1024 --flash-attn off',
  );
  expect(command([], 'none', { serving })).not.toContain('--flash-attn');
  expect(command(['--flash-attn'], 'none')).not.toContain('--flash-attn');
});

it('computes on no card where it was given none, whatever was planned', () => {
  expect(command(known, 'none')).toContain('--device none --n-gpu-layers 0');
});

it('puts on each of several cards as many layers as were planned there', () => {
  const divided = [
    { device: 'GPU-b', layers: 22 },
    { device: 'GPU-a', layers: 11 },
  ] as never;
  expect(command(known, 'CUDA0,CUDA1', { divided })).toContain(
    '--device CUDA0,CUDA1 --n-gpu-layers 33 --split-mode layer --tensor-split 22,11',
  );
  expect(command(known, 'CUDA0')).not.toContain('split');
});

it('leaves out what its build does not know', () => {
  const line = command(['--no-webui'], 'none');
  expect(line).toContain('--no-webui');
  for (const flag of ['--device', '--fit', '--cache-ram', '--no-ui ']) expect(line).not.toContain(flag);
});

it('takes whole texts where it embeds or ranks', () => {
  expect(command(known, 'none', { use: 'embed' })).toContain(
    '--embeddings --batch-size 8192 --ubatch-size 8192',
  );
  const serving = { slots: 2, slotTokens: 100, kvType: 'f16' } as const;
  const ranking = command(known, 'none', { use: 'rerank', serving });
  expect(ranking).toContain('--rerank --batch-size 512 --ubatch-size 512');
  expect(ranking).not.toContain('--cache-type');
  const tuned = { ...serving, slotTokens: 600, batchTokens: 1200, microBatchTokens: 1200 };
  expect(command(known, 'none', { use: 'embed', serving: tuned })).toContain(
    '--batch-size 1200 --ubatch-size 1200',
  );
  expect(command(known, 'none', { use: 'embed', serving: { ...tuned, microBatchTokens: 256 } })).toContain(
    '--batch-size 600 --ubatch-size 600',
  );
});
