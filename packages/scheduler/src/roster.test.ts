/** Each change of a worker is heard, whoever makes it, and those that are here stand in one order however they came. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { release, reserve } from './ledger.ts';
import { worker } from './reference-grid.fixture.ts';
import { Roster } from './roster.ts';
import { lotOf } from './sample.ts';
import { changeView, type WorkerView } from './worker-view.ts';

const reservation = { cpuMilli: 1000, memoryBytes: 0, diskBytes: 0, devices: [] };

it('hears of each change of a worker that is here, and of nobody else', () => {
  const [kept, gone] = [worker('w-kept'), worker('w-gone')];
  const roster = new Roster([kept, gone]);
  const heard = (act: () => void) => {
    const before = [...roster.changes];
    act();
    return [...roster.changes].flatMap((changes, column) =>
      changes === before[column] ? [] : [roster.inColumn[column]?.id],
    );
  };
  expect(heard(() => reserve(kept.ledger, reservation))).toEqual(['w-kept']);
  expect(heard(() => release(kept.ledger, reservation))).toEqual(['w-kept']);
  expect(heard(() => changeView(gone, { draining: true }))).toEqual(['w-gone']);
  expect(heard(() => changeView(gone, { draining: true }))).toEqual([]);
  roster.remove(gone);
  expect(heard(() => changeView(gone, { draining: false }))).toEqual([]);
  const come = worker('w-come');
  expect(heard(() => roster.add(come))).toEqual(['w-come']);
});

it('takes no worker twice, and lets none go that is not here', () => {
  const one = worker('w-1');
  const roster = new Roster([one]);
  expect(() => roster.add(one)).toThrow('w-1 is in a roster already');
  expect(() => new Roster([one])).toThrow('w-1 is in a roster already');
  roster.remove(one);
  expect(() => roster.remove(one)).toThrow('w-1 is not in this roster');
});

it('stands in the order of the lots, whoever has come and gone', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 60 }), { maxLength: 150 }), (steps) => {
      const here = new Map<number, WorkerView>();
      const roster = new Roster();
      for (const step of steps) {
        const known = here.get(step);
        const view = known ?? worker(`w-${step}`);
        if (known === undefined) roster.add(view);
        else roster.remove(view);
        if (known === undefined) here.set(step, view);
        else here.delete(step);
        const { views, order, lots, inColumn } = roster;
        expect(views).toEqual([...here.values()]);
        const ordered = Array.from(order.subarray(0, views.length), (column) => inColumn[column]);
        expect(ordered).toEqual([...here.values()].sort((a, b) => lotOf(a.id) - lotOf(b.id)));
        expect([...lots.subarray(0, views.length)]).toEqual(ordered.map((one) => lotOf(one?.id as never)));
      }
    }),
  );
});
