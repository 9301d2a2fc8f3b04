/** The grid of a simulated run: what its workers hold, run and pull, and for how long. */
import type { DeviceUuid, Reservation } from '@gryphgen/protocol';
import { release, reserve } from '../ledger.ts';
import { hasImage } from '../score.ts';
import { changeView, newView, type WorkerView } from '../worker-view.ts';
import type { Machine } from './machines.ts';
import type { MixedTask, MixedWorkload } from './workload.ts';

/** An attempt that is underway. */
export interface Run {
  /** Place in the workload. */
  readonly index: number;
  readonly task: MixedTask;
  readonly view: WorkerView;
  readonly reservation: Reservation;
  /** When its image is there and it begins, and when it ends. */
  readonly beginsAt: number;
  readonly endsAt: number;
  readonly leasedAt: number;
}

export class World {
  readonly views: readonly WorkerView[];
  readonly runs = new Map<WorkerView, Set<Run>>();
  now = 0;
  private readonly machines = new Map<WorkerView, Machine>();
  /** By worker and image: when it is there. */
  private readonly pulls = new Map<string, number>();
  private readonly workload: MixedWorkload;
  /** A machine that is slower than it was, from then on. */
  private readonly slowed:
    | { readonly machine: number; readonly at: number; readonly times: number }
    | undefined;

  constructor(machines: readonly Machine[], workload: MixedWorkload, slowed?: World['slowed']) {
    this.workload = workload;
    this.slowed = slowed;
    this.views = machines.map((machine) => {
      const view = newView(machine.id, machine.report.name);
      changeView(view, { report: machine.report, connected: true });
      this.machines.set(view, machine);
      this.runs.set(view, new Set());
      return view;
    });
  }

  start(index: number, view: WorkerView, reservation: Reservation): Run {
    const task = this.workload.tasks[index] as MixedTask;
    reserve(view.ledger, reservation);
    const beginsAt = this.now + this.fetchMs(task, view, true);
    const endsAt = beginsAt + this.runMs(task, view, reservation.devices[0]?.uuid);
    const run = { index, task, view, reservation, beginsAt, endsAt, leasedAt: this.now };
    this.runs.get(view)?.add(run);
    return run;
  }

  end(run: Run): void {
    const { view, task, reservation } = run;
    release(view.ledger, reservation);
    this.runs.get(view)?.delete(run);
    const { report } = view;
    const { image } = task.of.shape;
    if (report !== null && image !== undefined && !hasImage(report, image))
      changeView(view, { report: { ...report, images: [...report.images, image] } });
  }

  /** In truth, were it to begin now. */
  runMs(task: MixedTask, view: WorkerView, device: DeviceUuid | undefined): number {
    const machine = this.machines.get(view) as Machine;
    const held = machine.report.devices.find(({ uuid }) => uuid === device);
    const { slowed } = this;
    const isSlow = slowed !== undefined && this.views[slowed.machine] === view && this.now >= slowed.at;
    return this.workload.runMs(task, machine, held) * (isSlow ? slowed.times : 1);
  }

  /** Who needs what is being pulled waits for that. */
  fetchMs(task: MixedTask, view: WorkerView, begin = false): number {
    const { image } = task.of.shape;
    const { report } = view;
    if (image === undefined || (report !== null && hasImage(report, image))) return 0;
    const key = `${view.id} ${image}`;
    const machine = this.machines.get(view) as Machine;
    const readyAt = this.pulls.get(key) ?? this.now + this.workload.pullMs(task, machine);
    if (begin) this.pulls.set(key, readyAt);
    return Math.max(0, readyAt - this.now);
  }
}
