/** Where an engine's socket may lie: whoever has it is root. */
import Docker from 'dockerode';

/** The one this worker talks to, and the usual one. */
export function engineSockets(docker: Docker = new Docker()): readonly string[] {
  const { socketPath } = docker.modem as { readonly socketPath?: unknown };
  const usual = '/var/run/docker.sock';
  return typeof socketPath === 'string' && socketPath !== usual ? [usual, socketPath] : [usual];
}
