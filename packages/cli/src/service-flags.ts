/** What makes a task a service, in one flag each: the common case; a task file can say more. */
import type { PortBind } from '@gryphgen/protocol';
import type { DraftHealth, DraftPort } from './task-file/service-draft.ts';
import type { Value } from './task-file/values.ts';
import * as values from './task-file/values.ts';

/** `8888`, `web=8080:80`, `all:8888`, `dns=53/udp` */
export const publish: Value<DraftPort> = {
  expected: '[NAME=][all:][HOSTPORT:]PORT[/udp], such as web=8080:80',
  parse: (written) => {
    const [, name, bind, host, port = '', protocol] =
      /^(?:([^=]+)=)?(?:(all|loopback):)?(?:([0-9]+):)?([0-9]+)(?:\/(tcp|udp))?$/.exec(written) ?? [];
    const read = {
      name: name === undefined ? '' : values.portName.parse(name),
      host: host === undefined ? 0 : values.hostPort.parse(host),
      port: values.port.parse(port),
    };
    if (read.name === undefined || read.host === undefined || read.port === undefined) return undefined;
    return {
      port: read.port,
      ...(name !== undefined && { name: read.name }),
      ...(host !== undefined && { host: read.host }),
      ...(bind !== undefined && { bind: bind as PortBind }),
      ...(protocol !== undefined && { protocol: protocol as 'tcp' | 'udp' }),
    };
  },
};

/** `http:8080/health`, `tcp:5432` */
export const health: Value<DraftHealth> = {
  expected: 'http:PORT, http:PORT/PATH or tcp:PORT',
  parse: (written) => {
    const [, kind, digits = '', path] = /^(http|tcp):([0-9]+)(\/.*)?$/.exec(written) ?? [];
    const port = values.port.parse(digits);
    if (port === undefined) return undefined;
    if (kind === 'tcp') return path === undefined ? { tcp: port } : undefined;
    if (path !== undefined && values.urlPath.parse(path) === undefined) return undefined;
    return { http: { port, ...(path !== undefined && { path }) } };
  },
};
