/** Whether this machine can load models, and on what it would compute them. */
import type { LlamaEngines } from '@gryphgen/worker';
import type { Check } from './check.ts';

/** `wanted`: as the settings name it. */
export async function checkLlama(engines: LlamaEngines, wanted: string): Promise<readonly Check[]> {
  const name = 'llama';
  if (wanted === '')
    return [
      {
        name,
        state: 'ok',
        found: 'no llama-server is wanted (GRID_LLAMA_SERVER): no models are loaded here',
      },
    ];
  const found = (await engines.look()).map(({ path, version, backends }) => ({
    ...({ name, state: 'ok', found: `${path} ${version}, computes on ${backends.join(', ')}` } as const),
  }));
  const broken = engines.troubles.map((why) => ({ name, state: 'warning', found: why, fix: mend }) as const);
  if (found.length + broken.length > 0) return [...found, ...broken];
  return [{ name, state: 'ok', found: 'no llama-server on the PATH: no models are loaded here', fix: put }];
}

const mend = 'mend it, or name another with GRID_LLAMA_SERVER';
const put = "to load models, put llama.cpp's llama-server on the PATH, or add one with grid engine add";
