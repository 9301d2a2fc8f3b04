import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ModelDescription } from '@gryphgen/protocol';
import {
  dense,
  experts,
  ggufHeader,
  hybrid,
  i32s,
  latent,
  type Metadata,
  type Model,
  recurrent,
  string,
  type Tensor,
  u32,
  windowed,
  writeSparseGguf,
} from '@gryphgen/testkit';
import { describe, expect, it } from 'vitest';
import { scratchFolder } from '../scratch.fixture.ts';
import { readModel } from './read-model.ts';

const sizes = { layers: 4, embedding: 512, vocabulary: 1000, type: 'q8_0', heads: 8, kvHeads: 2 } as const;
const llama = dense({ ...sizes, feedForward: 1024 });

async function described(model: Model): Promise<ModelDescription> {
  const path = join(scratchFolder(), 'model.gguf');
  await writeSparseGguf(path, model.metadata, model.tensors);
  const read = await readModel(path);
  if (read.kind === 'refused') throw new Error(read.reason);
  return read.model;
}

async function refusal(path: string): Promise<string> {
  const read = await readModel(path);
  return read.kind === 'refused' ? read.reason : 'it was read';
}

async function refusalOf(metadata: Metadata, tensors: readonly Tensor[] = []): Promise<string> {
  const path = join(scratchFolder(), 'model.gguf');
  await writeSparseGguf(path, metadata, tensors);
  return refusal(path);
}

const q8 = (values: number): number => (values / 32) * 34;

describe('a model', () => {
  it('is described by its keys and tensors', async () => {
    const model = await described(llama);
    const layer = {
      keeps: 'all',
      heads: 8,
      kvHeads: 2,
      feedForward: 1024,
      forward: 'gated',
      bytes: q8(512 * 512 * 2 + 512 * 128 * 2 + 512 * 1024 * 3) + 2 * 512 * 4,
    };
    expect(model).toEqual({
      architecture: 'llama',
      name: 'sparse llama',
      quantization: '',
      parameters: llama.tensors.reduce((sum, { dims }) => sum + dims.reduce((a, b) => a * b), 0),
      contextTokens: 131_072,
      vocabulary: 1000,
      embedding: 512,
      keyLength: 64,
      valueLength: 64,
      window: 0,
      layers: [layer, layer, layer, layer],
      stateValues: 0,
      inputBytes: q8(512 * 1000),
      outputBytes: q8(512 * 1000) + 512 * 4,
      tiedBytes: 0,
      isGenerative: true,
      hasChatTemplate: false,
      fileBytes: model.fileBytes,
    });
  });

  it('says what it was quantized to and whether it can chat', async () => {
    const metadata = {
      ...llama.metadata,
      'general.file_type': u32(15),
      'tokenizer.chat_template': string('{{ messages }}'),
    };
    const model = await described({ ...llama, metadata });
    expect([model.quantization, model.hasChatTemplate, model.takesTools]).toEqual(['Q4_K_M', true, false]);
    const tools = string('{% if tools %}{{ tools | tojson }}{% endif %}{{ messages }}');
    const other = await described({ ...llama, metadata: { ...metadata, 'tokenizer.chat_template': tools } });
    expect(other.takesTools).toBe(true);
  });

  it('without an output matrix uses its embeddings', async () => {
    const model = await described(dense({ ...sizes, feedForward: 1024, tied: true }));
    expect([model.outputBytes, model.tiedBytes]).toEqual([512 * 4, q8(512 * 1000)]);
  });

  it('has experts in the layers that route to them', async () => {
    const of = { count: 8, used: 2, feedForward: 256 };
    const model = await described(experts({ ...sizes, experts: of }));
    expect(model.experts).toEqual({ ...of, shared: 0 });
    expect(model.layers.map(({ forward }) => forward)).toEqual(['experts', 'experts', 'experts', 'experts']);
  });

  it('keeps a window where its architecture has one', async () => {
    const shape = { ...sizes, layers: 7, feedForward: 1024, headLength: 64, window: 1024 };
    const three = await described(windowed(shape));
    const [all, few] = ['all', 'window'];
    expect(three.window).toBe(1024);
    expect(three.layers.map(({ keeps }) => keeps)).toEqual([few, few, few, few, few, all, few]);
    const two = await described(windowed(shape, 'gemma2'));
    expect(two.layers.map(({ keeps }) => keeps)).toEqual([few, all, few, all, few, all, few]);
  });

  it('keeps a window where the file says so', async () => {
    const pattern = { 'llama.attention.sliding_window': u32(64) };
    const keeps = async (metadata: Metadata): Promise<string> => {
      const model = await described({ ...llama, metadata: { ...llama.metadata, ...pattern, ...metadata } });
      return model.layers.map((layer) => layer.keeps[0]).join('');
    };
    expect(await keeps({})).toBe('aaaa');
    expect(await keeps({ 'llama.attention.sliding_window_pattern': u32(2) })).toBe('wawa');
    expect(await keeps({ 'llama.attention.sliding_window_pattern': i32s([0, 1, 1, 0]) })).toBe('awwa');
  });

  it('keeps compressed keys', async () => {
    const model = await described(
      latent({
        ...sizes,
        feedForward: 1024,
        denseLayers: 1,
        experts: { count: 8, used: 2, feedForward: 256, shared: 1 },
        queryRank: 128,
        latent: 64,
        ropeLength: 32,
        headLength: 64,
      }),
    );
    expect(model.latent).toEqual({ rank: 64, rope: 32, keyLength: 96, valueLength: 64 });
    expect(model.layers.map(({ forward }) => forward)).toEqual(['gated', 'experts', 'experts', 'experts']);
  });

  it('keeps states, in all layers or in some', async () => {
    const state = { inner: 1024, state: 16, kernel: 4, rank: 32 };
    const mamba = await described(recurrent({ ...sizes, ...state }));
    expect(mamba.stateValues).toBe(3 * 1024 + 16 * 1024);
    expect(mamba.layers.map(({ keeps }) => keeps)).toEqual(['state', 'state', 'state', 'state']);
    const jamba = await described(hybrid({ ...sizes, ...state, feedForward: 1024, every: 2 }));
    expect(jamba.layers.map(({ keeps }) => keeps)).toEqual(['state', 'all', 'state', 'all']);
  });
});

describe('what is not a model is refused', () => {
  it('a file that is not there, a folder, a file of another kind', async () => {
    const folder = scratchFolder();
    expect(await refusal(join(folder, 'none.gguf'))).toBe(
      `${join(folder, 'none.gguf')}: there is no such file`,
    );
    expect(await refusal(folder)).toBe(`${folder}: it is not a file`);
    writeFileSync(join(folder, 'text.gguf'), 'hello');
    expect(await refusal(join(folder, 'text.gguf'))).toContain('it does not begin with "GGUF"');
  });

  const without = (...keys: string[]): Metadata =>
    Object.fromEntries(Object.entries(llama.metadata).filter(([key]) => !keys.includes(key)));

  it('without the keys that every model has', async () => {
    expect(await refusalOf({})).toContain('it has no general.architecture');
    for (const key of ['llama.block_count', 'llama.embedding_length', 'llama.context_length']) {
      expect(await refusalOf(without(key), llama.tensors)).toContain(`it has no ${key}`);
    }
  });

  it('with keys that are no counts, or impossible ones', async () => {
    const having = (key: string, value: Metadata[string]): Promise<string> =>
      refusalOf({ ...llama.metadata, [key]: value }, llama.tensors);
    expect(await having('llama.block_count', u32(2 ** 31))).toContain('1 to 1024 are allowed');
    expect(await having('llama.block_count', u32(3))).toContain(
      'tensor blk.3.attn_norm.weight is of a layer it does not',
    );
    expect(await having('llama.embedding_length', u32(0))).toContain('what it says is impossible: embedding');
    expect(await having('llama.context_length', string('8k'))).toContain(
      'llama.context_length is not a count',
    );
    expect(await having('llama.attention.head_count_kv', i32s([1, 1]))).toContain('one for each of 4 layers');
    expect(await having('llama.attention.head_count_kv', i32s([1, 1, -1, 1]))).toContain('is not a count');
  });
});

describe('a model in parts', () => {
  const parts = [llama.tensors.slice(0, 5), llama.tensors.slice(5, 9), llama.tensors.slice(9)];

  async function written(
    folder: string,
    changes: (part: number) => Metadata = () => ({}),
  ): Promise<string[]> {
    return Promise.all(
      parts.map(async (tensors, part) => {
        const path = join(folder, `m-0000${part + 1}-of-00003.gguf`);
        const split = {
          'split.no': u32(part),
          'split.count': u32(parts.length),
          'split.tensors.count': u32(llama.tensors.length),
        };
        await writeSparseGguf(
          path,
          { ...(part === 0 ? llama.metadata : {}), ...split, ...changes(part) },
          tensors,
        );
        return path;
      }),
    );
  }

  it('is read by the name of any of them', async () => {
    const paths = await written(scratchFolder());
    const whole = await described(llama);
    for (const path of paths) {
      const read = await readModel(path);
      if (read.kind === 'refused') throw new Error(read.reason);
      expect(read.files).toEqual(paths);
      expect({ ...read.model, fileBytes: 0 }).toEqual({ ...whole, fileBytes: 0 });
      expect(read.model.fileBytes).toBeGreaterThan(whole.fileBytes);
    }
  });

  it('must have them all', async () => {
    const folder = scratchFolder();
    const [first = ''] = await written(folder);
    const missing = first.replace('-00001-of-00003', '-00001-of-00004');
    expect(await refusal(missing)).toBe(`${missing}: there is no such file`);
    expect(await refusal(first.replace('of-00003', 'of-99999'))).toContain(
      'it has 99999 parts: 1 to 1024 are allowed',
    );
    expect(await refusal(first.replace('of-00003', 'of-00000'))).toContain('it has 0 parts');
  });

  it('must have them where their names say', async () => {
    const refused = async (changes: (part: number) => Metadata): Promise<string> => {
      const [first = ''] = await written(scratchFolder(), changes);
      return refusal(first);
    };
    expect(await refused((part) => ({ 'split.no': u32(part === 1 ? 2 : part) }))).toMatch(
      /00002.*split.no is 2, and its/,
    );
    expect(await refused(() => ({ 'split.count': u32(4) }))).toContain(
      'split.count is 4, and its name says 3',
    );
    expect(await refused(() => ({ 'split.tensors.count': u32(99) }))).toContain('its parts have 39');
  });

  it('is named like one', async () => {
    expect(await refusalOf({ ...llama.metadata, 'split.no': u32(0), 'split.count': u32(2) })).toContain(
      'it is part 1 of 2, and is not named like one',
    );
  });

  it('has each tensor once', async () => {
    const folder = scratchFolder();
    for (const part of [0, 1]) {
      const split = { 'split.no': u32(part), 'split.count': u32(2), 'split.tensors.count': u32(2) };
      const { header, dataBytes } = ggufHeader({ ...llama.metadata, ...split }, llama.tensors.slice(0, 1));
      writeFileSync(
        join(folder, `m-0000${part + 1}-of-00002.gguf`),
        Buffer.concat([header, Buffer.alloc(dataBytes)]),
      );
    }
    expect(await refusal(join(folder, 'm-00001-of-00002.gguf'))).toContain('a tensor is in two of its parts');
  });
});
