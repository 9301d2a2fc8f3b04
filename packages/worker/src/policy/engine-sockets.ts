/** Where an engine's socket may lie: whoever has it is root. */
import type Docker from 'dockerode';
import { connectEngine } from '../executors/engine-connection.ts';

/** The one this worker talks to, and the usual one. */
export function engineSockets(docker: Docker = connectEngine()): readonly string[] {
  const { socketPath } = docker.modem as { readonly socketPath?: unknown };
  const usual = '/var/run/docker.sock';
  return typeof socketPath === 'string' && socketPath !== usual ? [usual, socketPath] : [usual];
}
