/** Programs that are no llama-server, or not one that can be used, or another one than before: played by scripts. */
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DeviceUuid } from '@gryphgen/protocol';
import { createLog, systemClock } from '@gryphgen/runtime';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readEngineList, writeEngineList } from './engine-list.ts';
import type { Card } from './listed-devices.ts';
import { LlamaEngines } from './llama-engines.ts';
import { devicesIn, flagsIn } from './llama-probe.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gg-engines-'));
});
afterEach(() => rm(folder, { recursive: true }));

const help = `-m,    --model FNAME  model path
-dev,  --device <dev1,dev2,..>  devices
--list-devices        print them
--host HOST           IP address, or path of a UNIX socket
--api-key-file FNAME  keys
--metrics             counters`;

async function program(name: string, script: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return path;
}

/** `devices`: a shell command that prints them. */
const playing = (version: string, devices = 'true', told = help): string => `case "$1" in
--version) echo "version: ${version}" >&2;;
--help) cat <<'end'
${told}
end
;;
--list-devices) echo "Available devices:"; ${devices};;
esac`;

const cuda = `if [ -z "$CUDA_VISIBLE_DEVICES" ] || [ "$CUDA_VISIBLE_DEVICES" = GPU-1 ]; then echo "  CUDA0: a card (6064 MiB, 5990 MiB free)"; fi`;

const enginesOf = (programs: string, answerMs = 20_000, cards: readonly Card[] = []): LlamaEngines =>
  new LlamaEngines({
    ...{
      programs,
      added: () => readEngineList(folder),
      paths: { path: `${folder}:/usr/bin:/bin`, libraries: '' },
      ...{ answerMs, cards: async () => cards },
    },
    ...{ clock: systemClock, log: createLog({ daemon: 'test', level: 'silent' }) },
  });

describe('an engine', () => {
  it('is found on the path, with its version and on what it computes', async () => {
    const path = await program('llama-server', playing('0.7.0 (build 11669)', cuda));
    const [engine] = await enginesOf('llama-server').look();
    expect(engine).toMatchObject({ path, version: '0.7.0 (build 11669)', backends: ['cpu', 'cuda'] });
    expect(engine?.flags).toContain('--device');
  });

  it('that its owner has added comes first, for as long as the list has it', async () => {
    const [path, added] = [await program('llama-server', playing('1')), await program('other', playing('2'))];
    const engines = enginesOf('llama-server');
    const paths = async () => (await engines.look()).map((engine) => engine.path);
    expect(await paths()).toEqual([path]);
    await writeEngineList(folder, [{ name: 'mine', path: added }]);
    expect(await paths()).toEqual([added, path]);
    expect(engines.engines.map(({ name }) => name)).toEqual(['mine', 'llama-server']);
    await writeEngineList(folder, [{ name: 'gone', path: join(folder, 'gone') }]);
    expect(await paths()).toEqual([path]);
    expect(engines.troubles).toEqual([`${join(folder, 'gone')} is not a program that can be run`]);
    await writeFile(join(folder, 'engines.json'), '{"engines": [{"name": "a/b", "path": "x"}]}');
    expect(await paths()).toEqual([path]);
    expect(engines.troubles).toEqual([
      expect.stringContaining('engines.json: engines 0 name expected 1 to 64 of'),
    ]);
    await writeEngineList(folder, []);
    expect(await paths()).toEqual([path]);
    expect(engines.troubles).toEqual([]);
    // Who wants no models wants none of these.
    await writeEngineList(folder, [{ name: 'mine', path: added }]);
    expect(await enginesOf('').look()).toEqual([]);
  });

  it('that nobody named and that is not there is no trouble; one that was named is', async () => {
    const usual = enginesOf('llama-server');
    expect(await usual.look()).toEqual([]);
    expect(usual.troubles).toEqual([]);
    const named = enginesOf('/no/such/llama-server');
    expect(await named.look()).toEqual([]);
    expect(named.troubles).toEqual(['/no/such/llama-server is not a program that can be run']);
  });

  it.each([
    ['hangs', 'sleep 600', /--version gave no answer within 2000 ms/],
    ['says no end of it', 'yes', /--version (failed|gave no answer)/],
  ])('that %s is none, in words', async (_, script, words) => {
    const engines = enginesOf(await program('broken', script), 2000);
    expect(await engines.look()).toEqual([]);
    expect(engines.troubles).toEqual([expect.stringMatching(words)]);
  });

  it.each([
    ['says something else', 'echo hello', /--version says no version: hello/],
    ['crashes', 'echo no such library >&2; exit 127', /--version failed: no such library/],
    [
      'is too old',
      playing('1', 'true', help.replace('--api-key-file', '--other')),
      /does not know --api-key-file/,
    ],
  ])('that %s is none, in words', async (_, script, words) => {
    const engines = enginesOf(await program('broken', script));
    expect(await engines.look()).toEqual([]);
    expect(engines.troubles).toEqual([expect.stringMatching(words)]);
  });

  it('is asked again when it is another file, and not before', async () => {
    const engines = enginesOf(await program('llama-server', `echo >>${folder}/asked; ${playing('1')}`));
    await engines.look();
    await engines.look();
    expect(engines.engines).toMatchObject([{ version: '1' }]);
    await program('llama-server', playing('22'));
    expect(await engines.look()).toMatchObject([{ version: '22' }]);
  });
});

describe('the engine for a device', () => {
  const device = 'GPU-1' as DeviceUuid;

  it('is the first that sees that very card', async () => {
    const host = await program('host', playing('1'));
    const gpu = await program('gpu', playing('2', cuda));
    const engines = enginesOf(`${host}:${gpu}`);
    expect(await engines.choose([device])).toMatchObject({ engine: { path: gpu }, device: 'CUDA0' });
    expect(await engines.choose([])).toMatchObject({ engine: { path: host }, device: 'none' });
  });

  it('is none where no engine sees it, and never the host', async () => {
    const gpu = await program('gpu', playing('2', cuda));
    const why = await enginesOf(gpu).choose(['GPU-2' as DeviceUuid]);
    const message = `nothing here computes on GPU-2, and it is not computed on the host instead: ${gpu} lists as devices: none`;
    expect(why).toEqual({ code: 'execution.model', message });
  });

  it('sees all of several, in their order, and can divide a model; else it says what it lacks', async () => {
    const devices = ['GPU-2', 'GPU-1'] as DeviceUuid[];
    const divides = `${help}\n-ngl, --n-gpu-layers N\n-sm, --split-mode {none,layer}\n-ts, --tensor-split N0,N1`;
    const listing = (count: string) =>
      `n=0; while [ $n -lt ${count} ]; do echo "  CUDA$n: a card (1 MiB, 1 MiB free)"; n=$((n+1)); done`;
    const both = `if [ "$CUDA_VISIBLE_DEVICES" = GPU-2,GPU-1 ]; then n=2; else n=1; fi; ${listing('$1').replace('$1', '$m').replace('n=0', 'm=$n; n=0')}`;
    const older = await program('older', playing('1', listing('2')));
    const oneOnly = await program('one-only', playing('2', listing('1'), divides));
    const able = await program('able', playing('3', both, divides));
    expect(await enginesOf(`${older}:${oneOnly}:${able}`).choose(devices)).toMatchObject({
      ...{ engine: { path: able }, device: 'CUDA0,CUDA1' },
    });
    expect(await enginesOf(`${older}:${oneOnly}`).choose(devices)).toEqual({
      code: 'execution.model',
      message: `nothing here computes on GPU-2 and GPU-1, and it is not computed on the host instead: ${older} cannot divide a model over several devices; ${oneOnly} lists as devices: CUDA0`,
    });
  });

  it('is one of another kind where it sees one device alone', async () => {
    const one = 'echo "  Vulkan0: a card (1 MiB, 1 MiB free)"';
    expect(await enginesOf(await program('one', playing('3', one))).choose([device])).toMatchObject({
      device: 'Vulkan0',
    });
    const two = `${one}; echo "  Vulkan1: another (1 MiB, 1 MiB free)"`;
    expect(await enginesOf(await program('two', playing('3', two))).choose([device])).toMatchObject({
      code: 'execution.model',
      message: expect.stringContaining('Vulkan0, Vulkan1'),
    });
  });
});

describe('several cards', () => {
  const card = (uuid: string, index: number, name: string, gib: number, computeCapability: number): Card => ({
    ...{ uuid: uuid as DeviceUuid, index, name, vramBytes: gib * 1024 ** 3, computeCapability },
  });
  const [old, newer, twin] = [
    card('GPU-1060', 0, 'NVIDIA GeForce GTX 1060 6GB', 6, 61),
    card('GPU-3060', 1, 'NVIDIA GeForce RTX 3060', 12, 86),
    card('GPU-3060b', 2, 'NVIDIA GeForce RTX 3060', 12, 86),
  ];
  const cards = [old, newer, twin];
  /** As llama.cpp prints them, with a software renderer among them. */
  const vulkan = `printf '%s\n' \
'  Vulkan0: NVIDIA GeForce RTX 3060 (12288 MiB, 11800 MiB free)' \
'  Vulkan1: NVIDIA GeForce GTX 1060 6GB (6144 MiB, 6000 MiB free)' \
'  Vulkan2: NVIDIA GeForce RTX 3060 (12288 MiB, 12000 MiB free)' \
'  Vulkan3: llvmpipe (LLVM 19.1.7, 256 bits) (64000 MiB, 64000 MiB free)'`;
  const able = `${help}
-ngl, --n-gpu-layers N
-sm, --split-mode {none,layer}
-ts, --tensor-split N0,N1`;
  const byCuda = `n=0; IFS=,; for uuid in $CUDA_VISIBLE_DEVICES; do echo "  CUDA$n: a card (1 MiB, 1 MiB free)"; n=$((n+1)); done`;

  it('are told apart by name and memory, those that are alike by their order', async () => {
    const path = await program('vulkan', playing('1', vulkan, able));
    const engines = enginesOf(path, 20_000, cards);
    const deviceOf = async (...of: Card[]) => {
      const chosen = await engines.choose(of.map(({ uuid }) => uuid));
      return 'code' in chosen ? chosen.message : chosen.device;
    };
    expect(await deviceOf(old)).toBe('Vulkan1');
    expect(await deviceOf(newer)).toBe('Vulkan0');
    expect(await deviceOf(twin)).toBe('Vulkan2');
    expect(await deviceOf(twin, old)).toBe('Vulkan2,Vulkan1');
  });

  it('are not guessed at where others are listed than there are, or it cannot be said which', async () => {
    const fewer = `echo '  Vulkan0: NVIDIA GeForce RTX 3060 (12288 MiB, 11800 MiB free)'`;
    const engines = enginesOf(await program('fewer', playing('1', fewer)), 20_000, cards);
    for (const { uuid } of cards)
      expect(await engines.choose([uuid])).toMatchObject({
        message: expect.stringContaining('lists as devices: Vulkan0'),
      });
    const blunt = await program('blunt', playing('1', vulkan, help.replace('--device <', '--other <')));
    expect(await enginesOf(blunt, 20_000, cards).choose([old.uuid])).toMatchObject({
      message: expect.stringContaining('cannot be told on which of several devices to compute'),
    });
  });

  it('get each the first engine that has code for it', async () => {
    const [thirteen, twelve] = ['thirteen', 'twelve'].map((name) => join(folder, name)) as [string, string];
    for (const [at, major] of [
      [thirteen, 13],
      [twelve, 12],
    ] as const) {
      await mkdir(at);
      await program(join(at.slice(folder.length + 1), 'llama-server'), playing(`cuda ${major}`, byCuda));
      await writeFile(join(at, 'libggml-cuda.so'), `\x7fELF\0libcudart.so.${major}\0libcublas.so.${major}\0`);
    }
    const both = `${thirteen}/llama-server:${twelve}/llama-server`;
    const engines = enginesOf(both, 20_000, cards);
    expect(await engines.look()).toMatchObject([{ leastCapability: 75 }, { leastCapability: 50 }]);
    expect(await engines.choose([old.uuid])).toMatchObject({ engine: { version: 'cuda 12' } });
    expect(await engines.choose([newer.uuid])).toMatchObject({ engine: { version: 'cuda 13' } });
    const why = await enginesOf(`${thirteen}/llama-server`, 20_000, cards).choose([old.uuid]);
    expect(why).toMatchObject({
      code: 'execution.model',
      message: expect.stringContaining(
        'compiles for compute capability 7.5 and newer, and NVIDIA GeForce GTX 1060 6GB has 6.1: a build with an older CUDA, or Vulkan, computes on it',
      ),
    });
    const vulkanToo = await program('vulkan', playing('3', vulkan));
    expect(
      await enginesOf(`${thirteen}/llama-server:${vulkanToo}`, 20_000, cards).choose([old.uuid]),
    ).toMatchObject({
      ...{ engine: { path: vulkanToo }, device: 'Vulkan1' },
    });
  });
});

it('devices are read by their names', () => {
  const text = 'loaded backend\nAvailable devices:\n  CUDA0: A (1 MiB)\n  Vulkan1: B (2 MiB)\n  (none)\n';
  expect(devicesIn(text)).toEqual([
    { name: 'CUDA0', backend: 'cuda', description: 'A', totalBytes: 1024 ** 2 },
    { name: 'Vulkan1', backend: 'vulkan', description: 'B', totalBytes: 2 * 1024 ** 2 },
  ]);
});

it('options are read from the lines that explain them, and from no others', () => {
  const known = flagsIn(
    '-ngl,  --gpu-layers, --n-gpu-layers N   max. layers\n      see --other\n--fit [on|off]',
  );
  expect([...known].sort()).toEqual(['--fit', '--gpu-layers', '--n-gpu-layers', '-ngl']);
});
