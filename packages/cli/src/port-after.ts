/** Where what is beside the broker is had: at the port after the broker's. */

/** The same host, at the port after; a free port (`*`) stays one. Undefined of a socket of this machine. */
export function portAfter(endpoint: string): string | undefined {
  const [, host, port] = /^(tcp:\/\/.+):([0-9]+|\*)$/.exec(endpoint) ?? [];
  return host === undefined ? undefined : `${host}:${port === '*' ? port : Number(port) + 1}`;
}
