import { expect, it } from 'vitest';
import { startFailure } from './docker-engine.ts';

const refusal = (statusCode: number, message: string) =>
  Object.assign(new Error(`(HTTP code ${statusCode}) server error - ${message} `), {
    statusCode,
    json: { message },
  });

const dialing = 'transport: Error while dialing dial unix /run/containerd.sock: connect: connection refused';

it.each([
  `connection error: desc = "${dialing}": unavailable`,
  'transport is closing: unavailable',
  'task 57160445cce22b0b: already exists',
  'id already in use',
  'ttrpc: closed: unknown',
])(
  'an engine whose containerd is away has lost the container, which is not the task’s fault: %s',
  (words) => {
    expect(startFailure(refusal(500, words))).toEqual({
      code: 'lost.worker',
      message: `the Docker engine is in trouble: ${words}`,
    });
  },
);

it.each([
  'OCI runtime create failed: container_linux.go:380: starting container process caused: exec: "x": not found: unknown',
  'error while creating mount source path: mkdir /data: file exists',
])('what it cannot start is the task’s fault: %s', (words) => {
  expect(startFailure(refusal(400, words))).toMatchObject({ code: 'execution.start' });
});
