// The stage: one lane per region, the aggregator with its set and its timer, the sink. It draws one moment;
// what moves is where the clock says that it is.

import { s, roughly } from "./dom.js";
import { journeys } from "./clock.js";

const LANES_MAX = 12;

export function same(one, other) {
  return one.trim().toLowerCase() === other.trim().toLowerCase();
}

export class Scene {
  constructor(recording, clock, stored, onpick) {
    this.recording = recording;
    this.clock = clock;
    this.stored = stored;
    this.onpick = onpick;
    this.journeys = journeys(recording, clock);
    this.svg = s("svg", { class: "scene", role: "group", "aria-label": "The stage: regions, aggregator, sink" });
    this.pool = [];
    this.build(1000);
  }

  build(width) {
    if (this.width === width) return;
    this.width = width;
    const narrow = width < 700;
    const regions = this.recording.scenario.regions;
    this.lanes = regions.slice(0, LANES_MAX);
    const more = regions.length - this.lanes.length;
    const rows = this.lanes.length + (more > 0 ? 1 : 0);
    const pitch = narrow ? Math.max(34, Math.min(58, 300 / rows)) : Math.max(36, Math.min(74, 330 / rows));
    const top = 34, high = Math.max(narrow ? 230 : 250, rows * pitch + 24);
    this.height = top + high + (narrow ? 20 : 12);
    this.svg.setAttribute("class", narrow ? "scene narrow" : "scene");
    this.svg.setAttribute("viewBox", `0 0 ${width} ${this.height}`);
    this.svg.replaceChildren();
    const side = narrow ? 104 : 152;
    const [from, to] = narrow ? [150, 264] : [Math.round(width * 0.36), Math.round(width * 0.66)];
    this.geometry = {
      narrow, top, high, left: 6, side,
      slot: from + (narrow ? 14 : 22), box: [from, to], out: to, sink: [narrow ? 318 : width - 158, width - 6],
      middle: top + high / 2,
      y: (nth) => top + (high - rows * pitch) / 2 + pitch * (nth + 0.5),
      pitch,
    };
    this.drawLanes(more);
    this.drawAggregator();
    this.drawSink();
    this.messages = s("g", { class: "messages", "aria-hidden": "true" });
    this.pool = [];
    this.svg.append(this.messages);
    this.wait = s("text", { class: "wait", x: width / 2, y: 20, "text-anchor": "middle" });
    this.svg.append(this.wait);
  }

  pickable(kind, name, label, children) {
    const live = Boolean(this.onpick);
    const pick = (event) => { event.stopPropagation(); this.onpick?.(kind, name, event.currentTarget); };
    return s("g", {
      class: live ? "pick" : "", tabindex: live ? 0 : null, role: live ? "button" : null,
      "aria-label": live ? label : null, "aria-haspopup": live ? "menu" : null, "data-pick": `${kind}:${name}`,
      onclick: live ? pick : null,
      onkeydown: live ? (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); pick(event); } } : null,
    }, children);
  }

  drawLanes(more) {
    const { geometry: g } = this;
    this.regionNodes = this.lanes.map((name, nth) => {
      const y = g.y(nth), tall = Math.min(44, g.pitch - 6);
      const long = name.length > (g.narrow ? 12 : 18);
      const shown = long ? `${name.slice(0, g.narrow ? 11 : 17)}…` : name;
      const line = s("line", { class: "lane", x1: g.left + g.side, x2: g.slot, y1: y, y2: y });
      const box = s("rect", { class: "node", x: g.left, y: y - tall / 2, width: g.side, height: tall, rx: 8 });
      const label = s("text", { class: "name", x: g.left + g.side / 2, y: y + (tall > 34 ? -2 : 5), "text-anchor": "middle" }, shown);
      const status = s("text", { class: "status", x: g.left + g.side / 2, y: y + 14, "text-anchor": "middle" });
      if (tall <= 34) status.setAttribute("display", "none");
      const node = this.pickable("region", name, `Region ${name}: break its next delivery`, [s("title", {}, name), box, label, status]);
      const slot = s("circle", { class: "slot", cx: g.slot, cy: y, r: g.narrow ? 9 : 12 });
      const tick = s("path", { class: "tick", d: `M${g.slot - 5} ${y} l4 4 l7 -8` });
      this.svg.append(line, node);
      return { name, y, box, status, slot, tick, line };
    });
    if (more > 0) {
      const text = s("text", { class: "status", x: g.left + g.side / 2, y: g.y(this.lanes.length), "text-anchor": "middle" }, `and ${more} more regions`);
      this.svg.append(text);
    }
  }

  drawAggregator() {
    const { geometry: g } = this;
    const [from, to] = g.box, middle = (from + to) / 2 + (g.narrow ? 8 : 14), r = g.narrow ? 32 : 50;
    const cy = g.middle - (g.narrow ? 4 : 6);
    this.ring = { r, length: 2 * Math.PI * r };
    this.box = s("rect", { class: "aggregator", x: from, y: g.top, width: to - from, height: g.high, rx: 12 });
    this.hatch = s("rect", { class: "down", x: from, y: g.top, width: to - from, height: g.high, rx: 12, display: "none" });
    this.title = s("text", { class: "name", x: middle, y: g.top + 24, "text-anchor": "middle" }, "aggregator");
    this.count = s("text", { class: "count", x: middle, y: cy + (g.narrow ? 4 : 5), "text-anchor": "middle" });
    this.left = s("text", { class: "left", x: middle, y: cy + (g.narrow ? 20 : 26), "text-anchor": "middle" });
    this.track = s("circle", { class: "track", cx: middle, cy, r });
    this.timer = s("circle", {
      class: "timer", cx: middle, cy, r, transform: `rotate(-90 ${middle} ${cy})`,
      "stroke-dasharray": this.ring.length, "stroke-dashoffset": this.ring.length,
    });
    this.outcome = s("text", { class: "outcome", x: middle, y: g.top + g.high - 34, "text-anchor": "middle" });
    this.about = s("text", { class: "status", x: middle, y: g.top + g.high - 14, "text-anchor": "middle" });
    const body = this.pickable("aggregator", "", "The aggregator: kill it or pause it", [
      s("title", {}, "The aggregator"), this.box, this.hatch, this.title, this.outcome, this.about,
    ]);
    const timer = this.pickable("timer", "", "The timer: move the deadline", [
      s("title", {}, "The timer"), s("circle", { class: "hit", cx: middle, cy, r: r + 8 }), this.track, this.timer, this.count, this.left,
    ]);
    this.svg.append(body, timer, ...this.regionNodes.flatMap((it) => [it.slot, it.tick]));
    const y = g.middle;
    this.outboxBox = s("rect", { class: "outbox", x: g.out - 12, y: y - 12, width: 24, height: 24, rx: 4 });
    this.outboxCount = s("text", { class: "outbox-count", x: g.out, y: y + 5, "text-anchor": "middle" });
    this.outboxName = s("text", { class: "status", x: g.out + 16, y: y + 26, "text-anchor": "start" }, "outbox");
  }

  drawSink() {
    const { geometry: g } = this;
    const [from, to] = g.sink, middle = (from + to) / 2, y = g.middle;
    const tall = Math.min(g.high, g.narrow ? 150 : 170);
    this.svg.append(s("line", { class: "lane", x1: g.out, x2: from, y1: y, y2: y }), this.outboxBox, this.outboxCount);
    if (!g.narrow) this.svg.append(this.outboxName);
    this.sinkBox = s("rect", { class: "node", x: from, y: y - tall / 2, width: to - from, height: tall, rx: 10 });
    this.sinkState = s("text", { class: "fault-words", x: middle, y: y + tall / 2 - 12, "text-anchor": "middle" });
    this.received = s("g", {});
    this.sinkGeometry = { middle, y: y - tall / 2 + 46, rows: Math.max(1, Math.floor((tall - 80) / 22)) };
    this.svg.append(this.pickable("sink", "", "The sink: let it refuse, stall or hang", [
      s("title", {}, "The sink receives notifications"), this.sinkBox,
      s("text", { class: "name", x: middle, y: y - tall / 2 + 24, "text-anchor": "middle" }, "sink"),
      this.sinkState,
    ]), this.received);
  }

  // Draw the moment: a position, the last event, the scenario's instant, the operation to look at.
  draw(position, index, time, operation) {
    const now = operation ? this.stored.operation(operation, index, time) : null;
    this.drawSet(now, operation, index, time);
    this.drawState(index, time);
    this.drawReceived(index);
    this.drawMessages(position);
    const wait = this.clock.waitAt(position);
    this.wait.textContent = wait ? `▶▶ ${roughly(wait.ms)} skipped` : "";
  }

  drawSet(now, operation, index, time) {
    const several = this.recording.operations.length > 1;
    const regions = operation?.regions ?? this.recording.scenario.regions;
    for (const node of this.regionNodes) {
      const arrived = Boolean(now?.arrived.some((it) => same(it, node.name)));
      const late = Boolean(now?.late.some((it) => same(it, node.name)));
      node.slot.setAttribute("class", `slot${arrived ? " arrived" : late ? " late" : ""}`);
      node.tick.setAttribute("display", arrived ? "" : "none");
    }
    this.drawStatuses(index, operation);
    const armed = now && now.deadline !== null;
    const timeout = operation?.timeout ?? this.recording.scenario.timeout;
    const left = armed ? Math.max(0, now.deadline - time) : timeout;
    const over = now && now.state !== "waiting";
    const share = !now ? 0 : over && now.state === "completed" ? 0 : Math.min(1, left / timeout);
    this.timer.setAttribute("stroke-dashoffset", this.ring.length * (1 - share));
    this.timer.setAttribute("class", `timer${share < 0.15 && !over ? " soon" : ""}`);
    this.count.textContent = `${now ? now.arrived.length : 0}/${regions.length}`;
    this.left.textContent = !now ? `timeout ${roughly(timeout)}` : over ? "" : `${roughly(left)} left`;
    this.outcome.textContent = over ? now.state : now ? "waiting" : "";
    this.outcome.setAttribute("class", `outcome ${over ? now.state : ""}`);
    this.about.textContent = several && operation ? operation.name : "";
  }

  // What each region's last webhook came to, in a word.
  drawStatuses(index, operation) {
    const words = new Map();
    for (let nth = 0; nth <= index; nth += 1) {
      const event = this.recording.events[nth];
      if (!event.lane || (operation && event.op && event.op !== operation.name)) continue;
      if (event.kind === "sent") words.set(event.lane, ["sending", "plain"]);
      else if (event.kind === "ended" || event.kind === "unsent") words.set(event.lane, [event.label || "", event.tone]);
    }
    for (const node of this.regionNodes) {
      const [text, tone] = words.get(node.name) ?? ["", "plain"];
      node.status.textContent = text;
      node.status.setAttribute("class", `status t-${tone}`);
      node.box.setAttribute("class", `node b-${tone}`);
    }
  }

  drawState(index, time) {
    const down = this.stored.down(index);
    this.hatch.setAttribute("display", down === null ? "none" : "");
    this.title.textContent = down === null ? "aggregator" : `aggregator · ${down}`;
    const failing = this.recording.sink_faults.filter((it) => it.since <= time && (it.until === undefined || it.until === null || time < it.until));
    this.sinkState.textContent = failing.map((it) => it.what).join(", ");
    this.sinkBox.setAttribute("class", failing.length ? "node b-fault" : "node");
    const outbox = this.stored.at(index, time)?.outbox;
    this.outboxBox.setAttribute("class", outbox?.length ? "outbox filled" : "outbox");
    this.outboxCount.textContent = outbox?.length ? String(outbox.length) : "";
  }

  drawReceived(index) {
    const received = [];
    for (let nth = 0; nth <= index; nth += 1) {
      const event = this.recording.events[nth];
      if (event.kind === "notification") received.push(event);
    }
    const key = `${received.length}`;
    if (this.receivedShown === key + this.width) return;
    this.receivedShown = key + this.width;
    const { middle, y, rows } = this.sinkGeometry;
    const hidden = Math.max(0, received.length - rows);
    const shown = received.slice(hidden);
    this.received.replaceChildren(...shown.map((event, nth) =>
      s("text", { class: `got t-${event.tone}`, x: middle, y: y + 22 * nth, "text-anchor": "middle" },
        nth === 0 && hidden ? `${hidden + 1} before …` : event.label)));
  }

  drawMessages(position) {
    const { geometry: g } = this;
    let used = 0;
    for (const it of this.journeys) {
      if (position < it.leaves || position > it.back + 350) continue;
      const dot = this.place(it, position, g);
      if (dot) this.show(used++, dot);
    }
    for (let nth = used; nth < this.pool.length; nth += 1) this.pool[nth].group.setAttribute("display", "none");
  }

  // Where a message is at a position, and what it looks like there; null while it is worked on.
  place(it, position, g) {
    const { message } = it;
    const webhook = message.kind === "webhook";
    const node = webhook ? this.regionNodes.find((each) => each.name === message.lane) : null;
    if (webhook && !node) return null;
    const y = webhook ? node.y : g.middle;
    const from = webhook ? g.left + g.side : g.out + 14, to = webhook ? g.slot : g.sink[0];
    const on = (share) => from + (to - from) * share;
    const faded = Math.max(0, 1 - (position - it.back) / 350);
    if (position <= it.arrives) {
      const share = it.arrives > it.leaves ? (position - it.leaves) / (it.arrives - it.leaves) : 1;
      if (message.fate === "lost") return { x: on(Math.min(share, 1) * 0.5), y, kind: "request", text: "", alpha: 1 - share * 0.6 };
      return { x: on(share), y, kind: "request", text: webhook || share > 0.85 ? "" : message.label, alpha: 1 };
    }
    if (message.fate === "lost") return { x: on(0.5), y, kind: "lost", text: "lost", alpha: faded };
    if (message.fate === "refused") return { x: on(0.97), y, kind: "lost", text: "refused", alpha: faded };
    if (position < it.returns) return { x: on(webhook ? 0.93 : 1), y, kind: "waiting", text: "", alpha: 0.85 };
    const share = it.back > it.returns ? Math.min(1, (position - it.returns) / (it.back - it.returns)) : 1;
    if (message.fate === "cut") {
      if (share < 1) return { x: on(1 - share * 0.5), y, kind: "response", text: "", alpha: 1 - share * 0.5 };
      return { x: on(0.5), y, kind: "lost", text: "answer lost", alpha: faded };
    }
    if (message.fate === "broken") return position < it.back ? { x: on(0.93), y, kind: "waiting", text: "", alpha: 0.85 } : { x: on(0.93), y, kind: "lost", text: "cut off", alpha: faded };
    if (message.fate === "silent" || message.fate === "open") return { x: on(0.93), y, kind: "lost", text: "no answer", alpha: faded };
    const good = message.status >= 200 && message.status < 300;
    return { x: on(1 - share), y, kind: good ? "response" : "refusal", text: String(message.status ?? ""), alpha: faded };
  }

  show(nth, dot) {
    if (!this.pool[nth]) {
      const shape = s("path", { class: "dot" }), text = s("text", { class: "dot-text", "text-anchor": "middle", y: -13 });
      const group = s("g", {}, shape, text);
      this.pool.push({ group, shape, text });
      this.messages.append(group);
    }
    const { group, shape, text } = this.pool[nth];
    group.removeAttribute("display");
    group.setAttribute("transform", `translate(${dot.x.toFixed(1)} ${dot.y})`);
    group.setAttribute("opacity", dot.alpha.toFixed(2));
    if (shape.dataset.kind !== dot.kind) {
      shape.dataset.kind = dot.kind;
      shape.setAttribute("class", `dot ${dot.kind}`);
      shape.setAttribute("d", SHAPES[dot.kind]);
    }
    if (text.textContent !== dot.text) text.textContent = dot.text;
  }
}

const CIRCLE = "M-8 0a8 8 0 1 0 16 0a8 8 0 1 0 -16 0";
const SHAPES = {
  request: CIRCLE, waiting: "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0", response: CIRCLE, refusal: CIRCLE,
  lost: "M-6 -6L6 6M6 -6L-6 6",
};
