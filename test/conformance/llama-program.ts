/** llama.cpp's programs, as scripts/get-llama-server.sh puts them in .tmp/llama. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../../.tmp/llama/bin/', import.meta.url));

export function llamaProgram(name: string): string {
  if (existsSync(folder + name)) return folder + name;
  throw new Error(`there is no ${folder}${name}: run scripts/get-llama-server.sh .tmp/llama`);
}

/** Threads that wait sleep; a crash is told without a debugger. */
export const llamaEnvironment = { ...process.env, OMP_WAIT_POLICY: 'passive', GGML_NO_BACKTRACE: '1' };
