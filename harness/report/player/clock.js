// Two clocks: the scenario's, in which a region may need an hour, and the player's, in which every step can be
// watched. Each event has a position on the player's clock (ms); between two events the scenario's time runs
// evenly from one instant to the next, however far that is.

const SAME_INSTANT = 420, STEP = 950, PER_DECADE = 260, STEP_MAX = 2400, LEAD = 500;
const TOTAL_MAX = 90000;
// A wait so long is skipped, and said.
const LONG_WAIT = 5000;

export class Clock {
  constructor(recording) {
    const events = recording.events;
    this.events = events;
    const steps = events.map((event, nth) => {
      if (!nth) return LEAD;
      const gap = event.at - events[nth - 1].at;
      if (gap <= 0) return SAME_INSTANT;
      return Math.min(STEP_MAX, STEP + PER_DECADE * Math.log10(Math.max(1, gap / 100)));
    });
    const wanted = steps.reduce((sum, step) => sum + step, 0) + LEAD;
    const factor = Math.min(1, TOTAL_MAX / wanted);
    let at = 0;
    this.positions = steps.map((step) => (at += step * factor));
    this.total = at + LEAD * factor;
    this.waits = [];
    events.forEach((event, nth) => {
      const gap = nth ? event.at - events[nth - 1].at : 0;
      if (gap >= LONG_WAIT) this.waits.push({ from: this.positions[nth - 1], to: this.positions[nth], ms: gap });
    });
  }

  // The last event that has happened at a position; -1 before the first.
  indexAt(position) {
    let low = 0, high = this.positions.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.positions[middle] <= position + 0.01) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  // The scenario's instant at a position.
  timeAt(position) {
    const index = this.indexAt(position);
    if (index < 0) return 0;
    if (index >= this.events.length - 1) return this.events[index]?.at ?? 0;
    const from = this.positions[index], to = this.positions[index + 1];
    const share = to > from ? (position - from) / (to - from) : 0;
    return this.events[index].at + share * (this.events[index + 1].at - this.events[index].at);
  }

  // The position at which everything of this instant has happened, or the time between two events has come.
  positionOf(time) {
    let index = -1;
    while (index + 1 < this.events.length && this.events[index + 1].at <= time) index += 1;
    if (index < 0) return 0;
    const next = this.events[index + 1];
    if (!next || this.events[index].at === time) return this.positions[index];
    const share = (time - this.events[index].at) / (next.at - this.events[index].at);
    return this.positions[index] + share * (this.positions[index + 1] - this.positions[index]);
  }

  // The position of the first event after another one, at a later instant.
  nextInstant(index) {
    const at = this.events[index].at;
    for (let nth = index + 1; nth < this.events.length; nth += 1)
      if (this.events[nth].at > at) return this.positions[nth];
    return this.total;
  }

  // The same for the last event before another one.
  previousInstant(index) {
    const at = this.events[index].at;
    for (let nth = index - 1; nth >= 0; nth -= 1) if (this.events[nth].at < at) return this.positions[nth];
    return 0;
  }

  waitAt(position) {
    return this.waits.find((wait) => position > wait.from + 60 && position < wait.to - 60);
  }
}

const TRAVEL = 700;

// Where a message is when: four positions on the player's clock.
export function journeys(recording, clock) {
  const sent = new Map(), ended = new Map();
  recording.events.forEach((event, nth) => {
    if (!event.of) return;
    const kind = { sent: "w", ended: "w", notification: "n", "sink-response": "n" }[event.kind];
    if (!kind) return;
    const table = event.kind === "sent" || event.kind === "notification" ? sent : ended;
    if (!table.has(kind + event.of)) table.set(kind + event.of, nth);
  });
  const found = [];
  for (const message of recording.messages) {
    const key = (message.kind === "webhook" ? "w" : "n") + message.number;
    const first = sent.get(key), last = ended.get(key);
    if (message.kind === "connection") {
      const at = clock.positionOf(message.sent);
      found.push({ message, leaves: at - 500, arrives: at, returns: at, back: at + 1, first: -1, last: -1 });
      continue;
    }
    if (first === undefined) continue;
    const at = clock.positions[first];
    const back = last === undefined ? clock.total + 1 : clock.positions[last];
    if (message.kind === "webhook") {
      const arrives = Math.min(at + (clock.nextInstant(first) - at) * 0.45, at + (back - at) / 2);
      found.push({ message, leaves: at, arrives, returns: Math.max(arrives, back - Math.min(TRAVEL, (back - arrives))), back, first, last: last ?? -1 });
    } else {
      const before = clock.previousInstant(first);
      const leaves = Math.max(at - TRAVEL, before + (at - before) * 0.6);
      found.push({ message, leaves, arrives: at, returns: Math.max(at, back - TRAVEL), back, first, last: last ?? -1 });
    }
  }
  return found;
}
