// What the aggregator had stored at an instant: read from it while it was played, or, where it could not be
// read, what follows from the answers that it gave.

function ms(text, epoch) {
  return text ? Date.parse(text) - epoch : null;
}

export class Stored {
  constructor(recording) {
    this.recording = recording;
    this.reads = recording.stored.reads;
    this.views = recording.stored.views;
    this.epoch = recording.epoch ?? 0;
    this.visible = this.reads.some(([, , instances]) => instances !== null);
  }

  // The reading that holds after an event: the first one that was made after its record.
  readAfter(index) {
    const events = this.recording.events;
    let entry = -1;
    for (let nth = index; nth >= 0 && entry < 0; nth -= 1) entry = events[nth]?.entry ?? -1;
    const at = this.reads.findIndex(([before]) => before > entry);
    return at < 0 ? this.reads.length - 1 : at;
  }

  // Why the aggregator is down after an event; null while one of its replicas is up.
  down(index) {
    const last = new Map();
    for (let nth = 0; nth <= index; nth += 1) {
      const event = this.recording.events[nth];
      if (event.kind === "state") last.set(event.text.startsWith("Replica") ? event.text.split(" ")[1] : "", event);
    }
    const states = [...last.values()];
    const down = states.length > 0 && states.every((it) => it.tone === "fault" || it.tone === "bad");
    return down ? states.at(-1).label : null;
  }

  // The operations and the outbox at a moment. What was stored later than that is left out.
  at(index, time) {
    if (!this.visible) return null;
    let nth = this.readAfter(index);
    const down = this.down(index) !== null;
    while (nth >= 0 && this.reads[nth][2] === null) nth -= 1;
    if (nth < 0) return { down, at: null, instances: [], outbox: [], more: false };
    const [, read, instances, outbox, more] = this.reads[nth];
    const known = instances.map((it) => this.instance(this.views[it], time)).filter((it) => it !== null);
    const decided = new Set(known.filter((it) => it.state !== "waiting").map((it) => it.id));
    const pending = (outbox ?? []).map((it) => this.views[it]).filter((it) => decided.has(it.operation));
    return { down, at: read, instances: known, outbox: outbox === null ? null : pending, more };
  }

  instance(view, time) {
    const started = ms(view.started, this.epoch);
    if (started !== null && started > time + 0.5) return null;
    const kept = (times) => Object.entries(times ?? {}).filter(([, at]) => ms(at, this.epoch) <= time + 0.5).map(([name]) => name);
    const arrived = kept(view.arrived);
    const decided = ms(view.decided, this.epoch);
    const over = decided !== null && decided <= time + 0.5;
    const regions = [...Object.keys(view.arrived), ...view.missing];
    return {
      id: view.id, state: over ? view.state : "waiting", arrived, late: kept(view.late),
      missing: regions.filter((it) => !arrived.includes(it)),
      deadline: ms(view.deadline, this.epoch), duplicates: view.duplicates,
    };
  }

  // One operation at a moment, by what is stored, or by what was answered.
  operation(operation, index, time) {
    const stored = this.at(index, time)?.instances.find((it) => it.id === operation.key);
    if (stored) return { ...stored, read: true };
    if (this.visible && operation.armed === undefined) return null;
    const counted = Object.entries(operation.counted).filter(([, at]) => at <= time + 0.5).map(([name]) => name);
    if (!counted.length && !(operation.deadline && operation.armed < time)) return null;
    if (this.visible && time <= (operation.armed ?? 0)) return null;
    const told = operation.notified !== undefined && operation.notified <= time + 0.5;
    return {
      id: operation.key, arrived: counted, late: [], duplicates: 0, read: false,
      state: told ? operation.outcome : "waiting", deadline: operation.deadline?.[0] ?? null,
      missing: operation.regions.filter((it) => !counted.includes(it)),
    };
  }
}
