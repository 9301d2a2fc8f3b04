/**
 * The command line of a llama-server for one instance.
 *
 * 1. It holds nothing of the host's memory that nobody reserved: its cache of idle prompts is off, and what it was told is
 *    not changed to fit (`-fit`).
 * 2. Options that its build does not know are left out, if it can do without; those of 1 have no earlier names.
 */
import { type InstanceBody, type Serving, usualMicroBatchTokens } from '@gryphgen/protocol';
import type { ChosenEngine } from '../engines/llama-engines.ts';

export interface CommandPlaces {
  readonly modelPath: string;
  readonly socketPath: string;
  readonly apiKeyFile: string;
}

export function instanceCommand(
  { engine, device }: ChosenEngine,
  { model, use, serving, deviceLayers, divided }: InstanceBody,
  { modelPath, socketPath, apiKeyFile }: CommandPlaces,
  cpuMilli: number,
): readonly string[] {
  const { slots, slotTokens, flashAttention } = serving;
  const known = (flag: string, ...values: string[]): readonly string[] =>
    engine.flags.has(flag) ? [flag, ...values] : [];
  // With one thread more than cores that are free it is many times slower.
  const threads = Math.max(1, Math.floor(cpuMilli / 1000));
  return [
    engine.path,
    ...['--model', modelPath, '--alias', model, '--host', socketPath, '--api-key-file', apiKeyFile],
    ...['--ctx-size', String(slotTokens * slots), '--parallel', String(slots), '--threads', String(threads)],
    ...known('--device', device),
    ...known('--n-gpu-layers', String(device === 'none' ? 0 : deviceLayers)),
    // Whole layers, as many on each as were planned there: no device takes more than was reserved of it.
    ...(divided === undefined || device === 'none'
      ? []
      : ['--split-mode', 'layer', '--tensor-split', divided.map(({ layers }) => layers).join(',')]),
    ...byUse(use, serving),
    ...(flashAttention !== undefined && engine.hasFlashWord
      ? ['--flash-attn', flashAttention ? 'on' : 'off']
      : []),
    '--metrics',
    // Of each request it would write ten lines, through keeper and worker, until the log is full.
    ...engine.quietly,
    ...known('--slots'),
    ...(engine.flags.has('--no-ui') ? ['--no-ui'] : known('--no-webui')),
    ...known('--jinja'),
    ...known('--offline'),
    ...known('--fit', 'off'),
    ...known('--cache-ram', '0'),
    // It looks at its requests so often, and ends no later after SIGTERM.
    ...known('--sse-ping-interval', '1'),
  ];
}

function byUse(use: InstanceBody['use'], serving: Serving): readonly string[] {
  const { slotTokens, kvType, batchTokens, microBatchTokens } = serving;
  if (use === 'infer')
    return [
      ...['--cache-type-k', kvType, '--cache-type-v', kvType],
      ...(batchTokens === undefined ? [] : ['--batch-size', String(batchTokens)]),
      ...(microBatchTokens === undefined ? [] : ['--ubatch-size', String(microBatchTokens)]),
    ];
  // A text that is embedded or ranked is one batch, however long it may be; several are in one as far as that holds them.
  const tokens = String(Math.max(slotTokens, microBatchTokens ?? usualMicroBatchTokens));
  const batch = ['--batch-size', tokens, '--ubatch-size', tokens];
  return use === 'embed' ? ['--embeddings', ...batch] : ['--rerank', ...batch];
}
