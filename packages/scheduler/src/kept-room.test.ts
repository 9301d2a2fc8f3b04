/** The room that is kept is the room that there is, whatever has changed since. */
import type { Reservation } from '@gryphgen/protocol';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { KeptRoom } from './kept-room.ts';
import { release, reserve } from './ledger.ts';
import { GiB, gtx1060, report, rtx3060, worker } from './reference-grid.fixture.ts';
import { roomOf } from './room.ts';
import { Roster } from './roster.ts';
import { changeView, type WorkerView } from './worker-view.ts';

const changes = [
  { connected: false },
  { connected: true },
  { draining: true },
  { draining: false },
  { beyondBytes: GiB },
  { report: report({ devices: [rtx3060('a'), gtx1060('b')], cpuMilli: 64_000 }) },
  { report: report({ slots: 1, diskBytes: 1024 * GiB }) },
  { report: null },
];
const reservations: readonly Reservation[] = [
  { cpuMilli: 2000, memoryBytes: 4 * GiB, diskBytes: GiB, devices: [] },
  {
    ...{ cpuMilli: 1000, memoryBytes: 0, diskBytes: 0 },
    devices: [{ uuid: rtx3060('a').uuid, vramBytes: 5 * GiB, whole: false }],
  },
];
const nat = fc.nat({ max: 100 });
const kind = fc.constantFrom('come', 'come', 'go', 'change', 'reserve', 'release', 'ask');

it('is what a look at all of them finds', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(kind, nat, nat), { maxLength: 150 }), (steps) => {
      const roster = new Roster();
      const kept = new KeptRoom(roster);
      const held: { readonly view: WorkerView; readonly reservation: Reservation }[] = [];
      let come = 0;
      for (const [what, which, how] of steps) {
        const view = roster.views[which % Math.max(1, roster.views.length)];
        if (what === 'come') {
          come += 1;
          roster.add(worker(`w-${come}`, { devices: how % 2 === 0 ? [gtx1060('b')] : [] }));
        } else if (what === 'release') {
          const [ended] = held.splice(which % Math.max(1, held.length), 1);
          if (ended !== undefined) release(ended.view.ledger, ended.reservation);
        } else if (view === undefined) continue;
        else if (what === 'go') roster.remove(view);
        else if (what === 'change') changeView(view, changes[how % changes.length] as object);
        else if (what === 'reserve') {
          const reservation = reservations[how % reservations.length] as Reservation;
          reserve(view.ledger, reservation);
          held.push({ view, reservation });
        } else expect(kept.now()).toEqual(roomOf(roster.views));
      }
      expect(kept.now()).toEqual(roomOf(roster.views));
      expect(kept.now()).toEqual(roomOf(roster.views));
    }),
  );
});

it('is that of less where the grid has grown beyond its columns meanwhile', () => {
  const most = worker('w-most', { cpuMilli: 64_000 });
  const roster = new Roster([most]);
  for (let come = roster.views.length; come < roster.width; come += 1) roster.add(worker(`w-${come}`));
  const kept = new KeptRoom(roster);
  expect(kept.now()).toMatchObject({ cpuMilli: 64_000 });
  changeView(most, { connected: false });
  const { width } = roster;
  roster.add(worker('w-last'));
  expect(roster.width).toBeGreaterThan(width);
  expect(kept.now()).toEqual(roomOf(roster.views));
});
