/**
 * What is to be read from the journal for each session: one thing at a time, in order, so that nobody's questions keep
 * the journal from its commits, or another's from being answered.
 */
import { limits, type SessionId } from '@gryphgen/protocol';

/** Answers after which their places in the line are given back. */
const doneKept = 256;
/** A client that comes back may ask for all it awaits at once, and again before that is answered: four times as much. */
export const mostQuestions = 4 * limits.clientOutstanding;

/** Never rejects. */
export type Question = () => Promise<void>;

export class QuestionLines {
  private readonly lines = new Map<SessionId, Question[]>();
  private readonly isOpen: (session: SessionId) => boolean;

  /** `isOpen`: whether the session lives; the questions of one that does not are forgotten. */
  constructor(isOpen: (session: SessionId) => boolean) {
    this.isOpen = isOpen;
  }

  /** False: too many wait, and none of them is answered. */
  ask(session: SessionId, question: Question): boolean {
    const line = this.lines.get(session);
    if (line === undefined) {
      const begun = [question];
      this.lines.set(session, begun);
      void this.answer(session, begun);
      return true;
    }
    if (line.length < mostQuestions) return line.push(question) > 0;
    line.length = 0;
    return false;
  }

  private async answer(session: SessionId, line: Question[]): Promise<void> {
    for (let at = 0; at < line.length && this.isOpen(session); at += 1) {
      await (line[at] as Question)();
      if (at < doneKept) continue;
      line.splice(0, at + 1);
      at = -1;
    }
    this.lines.delete(session);
  }
}
