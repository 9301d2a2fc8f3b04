/**
 * How a worker reaches its Docker engine.
 *
 * When a response has ended, Node lets go of its socket's error listener. A request aborted between the last byte of
 * its response and the end of it makes the socket fail just after that: an error event that nobody hears ends the
 * process. What breaks during a request is told to the request, listener or not.
 */
import http from 'node:http';
import https from 'node:https';
import Docker from 'dockerode';

/** As long as Node's own agent keeps a connection that nothing uses. */
const idleMs = 5000;

/** Without options: where DOCKER_HOST says, else the usual socket. */
export function connectEngine(options: Docker.DockerOptions = {}): Docker {
  const docker = new Docker(options);
  const { protocol } = docker.modem as { readonly protocol?: unknown };
  const Agent = protocol === 'https' ? https.Agent : http.Agent;
  const agent = new Agent({ keepAlive: true, scheduling: 'lifo', timeout: idleMs });
  const connect = agent.createConnection.bind(agent);
  agent.createConnection = (...args) => connect(...args)?.on('error', () => undefined);
  Object.assign(docker.modem, { agent });
  return docker;
}
