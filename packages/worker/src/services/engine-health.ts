/** A check by a command in the container: the engine runs it and counts. */
import { type ContainerBody, type Health, limits } from '@gryphgen/protocol';
import type { ContainerInspectInfo, HealthConfig } from 'dockerode';

const nanosecondsPerMs = 1_000_000;

/** Empty where the check is not the engine's to make. */
export function healthcheck({ health }: ContainerBody): { Healthcheck?: HealthConfig } {
  if (health?.command === undefined) return {};
  const { command, intervalMs, timeoutMs, retries, startPeriodMs } = health;
  return {
    Healthcheck: {
      Test: ['CMD', ...command],
      Interval: intervalMs * nanosecondsPerMs,
      Timeout: timeoutMs * nanosecondsPerMs,
      Retries: retries,
      StartPeriod: startPeriodMs * nanosecondsPerMs,
    },
  };
}

/** As the engine says now. */
export function engineHealth({ State }: Pick<ContainerInspectInfo, 'State'>): Health {
  const { Status: state = 'starting', Log: checks = [] } = State.Health ?? {};
  const last = checks.at(-1);
  const failed = last !== undefined && last.ExitCode !== 0;
  const output = failed ? last.Output.trim().slice(-limits.healthChars / 2) : '';
  const words = failed ? `its check exited with code ${last.ExitCode}${output && `: ${output}`}` : '';
  return { state: state === 'healthy' || state === 'unhealthy' ? state : 'starting', words };
}
