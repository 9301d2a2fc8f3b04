/** Whether a Docker engine answers, and if not, which of the usual reasons it is. */
import { request } from 'node:http';
import { z } from 'zod';
import type { Check } from './check.ts';

const answerMs = 5000;
/** A version is some hundred bytes. */
const maxAnswerBytes = 256 * 1024;
const defaultSocket = '/var/run/docker.sock';
const versionSchema = z.object({
  Version: z.string(),
  Os: z.string().optional(),
  Arch: z.string().optional(),
});

export async function checkDocker(env: Readonly<Record<string, string | undefined>>): Promise<Check> {
  const host = env.DOCKER_HOST ?? '';
  if (host !== '' && !host.startsWith('unix://')) {
    return { name: 'docker', state: 'warning', found: `DOCKER_HOST is ${host}, which is not looked at` };
  }
  const socket = host === '' ? defaultSocket : host.slice('unix://'.length);
  try {
    const { Version, Os, Arch } = versionSchema.parse(JSON.parse(await ask(socket)));
    return { name: 'docker', state: 'ok', found: `engine ${Version} (${Os}/${Arch}) at ${socket}` };
  } catch (error) {
    return { name: 'docker', state: 'warning', ...wordsOf(error, socket) };
  }
}

function wordsOf(error: unknown, socket: string): Pick<Check, 'found' | 'fix'> {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  switch (code) {
    case 'ENOENT':
      return {
        found: `no engine: there is no ${socket}`,
        fix: 'to run containers, get one: sudo apt-get install docker.io && sudo usermod -aG docker $USER, then log in again; processes run without it',
      };
    case 'ECONNREFUSED':
      return { found: `nobody answers at ${socket}`, fix: 'start the engine: sudo systemctl start docker' };
    case 'EACCES':
      return {
        found: `${socket} may not be opened by this user`,
        fix: 'sudo usermod -aG docker $USER, then log in again',
      };
    default:
      return {
        found: `the engine does not answer as expected: ${error instanceof Error ? error.message : String(error)}`,
        fix: 'see journalctl -u docker',
      };
  }
}

function ask(socketPath: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asking = request({ socketPath, path: '/version', timeout: answerMs }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
        if (text.length > maxAnswerBytes) asking.destroy(new Error('the answer is too long'));
      });
      response.once('end', () => resolve(text));
      response.once('error', reject);
    });
    asking.once('timeout', () => asking.destroy(new Error(`no answer within ${answerMs} ms`)));
    asking.once('error', reject);
    asking.end();
  });
}
