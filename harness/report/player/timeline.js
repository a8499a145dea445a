// The whole run as one picture: a row for each lane, time to the right on the player's clock. It is what one
// scrubs on, what is printed, and what a report shows.

import { s, instant, roughly } from "./dom.js";

const ROWS_MAX = 12;

export class Timeline {
  constructor(recording, clock, onseek, onpick) {
    this.onpick = onpick;
    this.recording = recording;
    this.clock = clock;
    this.svg = s("svg", { class: "timeline", role: onpick ? "group" : "img", "aria-label": "The whole run, lane by lane; the list of events says the same" });
    this.width = 0;
    if (onseek) this.scrubbing(onseek);
  }

  scrubbing(onseek) {
    let held = false;
    const seek = (event) => {
      const box = this.svg.getBoundingClientRect();
      const x = ((event.clientX - box.left) / box.width) * this.width;
      onseek(Math.max(0, Math.min(1, (x - this.from) / (this.to - this.from))) * this.clock.total);
    };
    this.svg.addEventListener("pointerdown", (event) => { held = true; this.svg.setPointerCapture(event.pointerId); seek(event); });
    this.svg.addEventListener("pointermove", (event) => { if (held) seek(event); });
    this.svg.addEventListener("pointerup", () => { held = false; });
  }

  x(position) {
    return this.from + (position / this.clock.total) * (this.to - this.from);
  }

  build(width) {
    if (width === this.width) return;
    this.width = width;
    const { recording } = this;
    const narrow = width < 700;
    this.from = narrow ? 84 : 148;
    this.to = width - 14;
    const regions = recording.scenario.regions.slice(0, ROWS_MAX);
    const names = [...regions, "aggregator", "sink"];
    this.pitch = narrow ? 21 : 24;
    this.top = 26;
    this.row = new Map(names.map((name, nth) => [nth < regions.length ? `region ${name}` : name, this.top + this.pitch * (nth + 0.5)]));
    const height = this.top + this.pitch * names.length + 14;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.replaceChildren();
    this.drawWaits(height);
    names.forEach((name, nth) => {
      const y = this.top + this.pitch * (nth + 0.5);
      const most = narrow ? 11 : 18;
      this.svg.append(
        s("line", { class: "lane", x1: this.from, x2: this.to, y1: y, y2: y }),
        s("text", { class: "name", x: this.from - 10, y: y + 4, "text-anchor": "end" }, name.length > most ? `${name.slice(0, most - 1)}…` : name),
      );
    });
    this.drawSpans();
    this.drawDeadlines(height);
    this.drawMarks();
    this.head = s("g", { class: "head" }, s("line", { y1: 8, y2: height - 4 }), s("path", { d: "M-6 2h12v6l-6 6l-6 -6z" }));
    this.svg.append(this.head);
    this.move(0);
  }

  drawWaits(height) {
    for (const wait of this.clock.waits) {
      const from = this.x(wait.from), to = this.x(wait.to);
      this.svg.append(s("rect", { class: "wait-band", x: from, y: this.top - 4, width: Math.max(0, to - from), height: height - this.top }));
      if (to - from > 44) this.svg.append(s("text", { class: "wait", x: (from + to) / 2, y: 17, "text-anchor": "middle" }, roughly(wait.ms)));
    }
    const last = this.clock.waits.at(-1);
    const end = this.recording.events.at(-1);
    if (end && !(last && this.x(last.to) > this.to - 60)) this.svg.append(s("text", { class: "wait", x: this.to, y: 17, "text-anchor": "end" }, instant(end.at)));
  }

  drawSpans() {
    const bars = [
      ...this.recording.outages.map((it) => [it, "aggregator", "down-bar", it.what]),
      ...this.recording.sink_faults.map((it) => [it, "sink", "fault-bar", it.what]),
    ];
    const events = this.recording.events;
    const position = (time, row) => {
      const nth = row === "aggregator" ? events.findIndex((it) => it.kind === "state" && it.at === time) : -1;
      return nth < 0 ? this.clock.positionOf(time) : this.clock.positions[nth];
    };
    for (const [it, row, kind, what] of bars) {
      const from = this.x(position(it.since, row)), y = this.row.get(row) - this.pitch / 2 + 3;
      const to = it.until === undefined || it.until === null ? this.to : this.x(position(it.until, row));
      this.svg.append(s("rect", { class: kind, x: from, y, width: Math.max(3, to - from), height: this.pitch - 6, rx: 3 },
        s("title", {}, `${what}, ${instant(it.since)} to ${it.until === undefined || it.until === null ? "the end" : instant(it.until)}`)));
    }
  }

  drawDeadlines(height) {
    for (const operation of this.recording.operations.slice(0, 8)) {
      if (!operation.deadline || operation.deadline[0] > this.recording.end) continue;
      const at = this.x(this.clock.positionOf(operation.deadline[0]));
      if (this.onpick) {
        const pick = (event) => { event.stopPropagation(); this.onpick("timer", "", event.currentTarget); };
        this.svg.append(s("g", { class: "pick", tabindex: 0, role: "button", "aria-haspopup": "menu", "aria-label": `The deadline of ${operation.name}: move it`,
          onpointerdown: (event) => event.stopPropagation(), onclick: pick, onkeydown: (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); pick(event); } } },
          s("title", {}, "Move the deadline"), s("circle", { class: "handle", cx: at, cy: height - 8, r: 6 })));
      }
      this.svg.append(s("line", { class: "deadline", x1: at, x2: at, y1: this.top - 2, y2: height - 8 },
        s("title", {}, `Deadline of ${operation.name}: ${instant(operation.deadline[0])}`)));
    }
  }

  drawMarks() {
    const starts = new Map();
    const marks = s("g", { class: "marks" });
    this.recording.events.forEach((event, nth) => {
      const row = this.rowOf(event);
      const next = this.recording.events[nth + 1];
      const said = event.kind === "fault" && next?.kind === "unsent" && next.at === event.at; // by the cross
      if (row === undefined || event.kind === "end" || said) return;
      const x = this.x(this.clock.positions[nth]);
      const key = `${event.kind === "sent" || event.kind === "ended" ? "w" : "n"}${event.of}`;
      if (event.kind === "sent" || event.kind === "notification") starts.set(key, x);
      else if ((event.kind === "ended" || event.kind === "sink-response") && starts.has(key))
        marks.append(s("line", { class: `span t-${event.tone}`, x1: starts.get(key), x2: x, y1: row, y2: row }));
      marks.append(s("path", { class: `mark ${event.kind} t-${event.tone}`, d: MARKS[event.kind] ?? MARKS.ended, transform: `translate(${x.toFixed(1)} ${row})` },
        s("title", {}, `${instant(event.at)} ${event.text}`)));
    });
    for (const nth of this.deciding()) marks.append(s("circle", { class: "deciding", cx: this.x(this.clock.positions[nth.event]), cy: nth.row, r: 9 }, s("title", {}, "A finding rests on this")));
    this.svg.append(marks);
  }

  // Where the evidence of findings stands.
  deciding() {
    const found = new Map();
    for (const proof of this.recording.verdict.findings.flatMap((it) => it.evidence)) {
      const event = this.recording.events[proof.event];
      if (event) found.set(proof.event, { event: proof.event, row: this.rowOf(event) });
    }
    return [...found.values()].filter((it) => it.row !== undefined);
  }

  rowOf(event) {
    if (event.label === "sink fault" || event.kind.startsWith("sink") || event.kind === "notification") return this.row.get("sink");
    if (event.lane && ["sent", "ended", "unsent", "fault"].includes(event.kind)) return this.row.get(`region ${event.lane}`);
    return this.row.get("aggregator");
  }

  move(position) {
    this.head?.setAttribute("transform", `translate(${this.x(position).toFixed(1)} 0)`);
  }
}

const DOT = "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0", CROSS = "M-4 -4L4 4M4 -4L-4 4", BAR = "M0 -8V8";
const DIAMOND = "M0 -6L6 0L0 6L-6 0z";
const MARKS = {
  registry: "M-5 4L0 -5L5 4z", unsent: CROSS, sent: "M-3 0a3 3 0 1 0 6 0a3 3 0 1 0 -6 0", ended: DOT,
  notification: DIAMOND, "sink-response": DOT, fault: "M0 -5L5 4H-5z", state: BAR, deadline: BAR,
  "sink-fault": BAR, "sink-recovered": BAR, disconnected: CROSS,
};
