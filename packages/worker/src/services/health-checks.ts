/**
 * One check of a service, made from outside its container: '' when it is well, else why not, in words.
 *
 * 1. Bounded: by time, by the size of the headers; a body is not read, a redirection not followed.
 */
import { request } from 'node:http';
import { connect } from 'node:net';

const maxHeaderBytes = 16 * 1024;

export interface Target {
  readonly host: string;
  readonly port: number;
}

/** Well is a status from 200 to 399. */
export function checkHttp({ host, port }: Target, path: string, signal: AbortSignal): Promise<string> {
  return new Promise((resolve) => {
    const asked = request({ host, port, path, signal, agent: false, maxHeaderSize: maxHeaderBytes });
    asked.once('response', (answer) => {
      const { statusCode = 0 } = answer;
      answer.destroy();
      resolve(statusCode >= 200 && statusCode < 400 ? '' : `${path} answered ${statusCode}`);
    });
    asked.on('error', (error) => resolve(wordsOf(error, port)));
    asked.end();
  });
}

/** Well is a connection. */
export function checkTcp({ host, port }: Target, signal: AbortSignal): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, signal });
    socket.once('connect', () => {
      socket.destroy();
      resolve('');
    });
    socket.on('error', (error) => resolve(wordsOf(error, port)));
  });
}

function wordsOf(error: Error & { readonly code?: string }, port: number): string {
  switch (error.code) {
    case 'ECONNREFUSED':
      return `port ${port} refuses connections`;
    case 'ABORT_ERR':
      return `port ${port} did not answer in time`;
    default:
      return `port ${port}: ${error.message}`;
  }
}
