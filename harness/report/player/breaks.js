// What can be broken, as faults of the scenario's own language: each click is a line of YAML.

import { h, button, duration } from "./dom.js";

// The next delivery of a region: its first attempt that has not been sent yet.
export function nextDelivery(recording, index, region) {
  const firsts = new Set(recording.messages.filter((it) => it.kind === "webhook" && !it.copy && !it.retry).map((it) => it.number));
  return recording.events.find((event, nth) => nth > index && event.kind === "sent" && event.lane === region && firsts.has(event.of));
}

// The region whose next delivery comes first.
export function nextRegion(recording, index) {
  return recording.scenario.regions
    .map((region) => nextDelivery(recording, index, region))
    .filter(Boolean).sort((one, other) => one.at - other.at)[0]?.lane ?? "";
}

function fault(fields) {
  return { change: "add-fault", fault: fields };
}

function regionChanges(player, region) {
  const delivery = nextDelivery(player.recording, player.index, region);
  if (!delivery) return { title: `${region}: no further delivery; step back to break one`, changes: [] };
  const about = { region, operation: delivery.op };
  return {
    title: `The next delivery of ${region}`,
    changes: [
      ["Drop it", fault({ fault: "drop", ...about })],
      ["Delay it by 10 s", fault({ fault: "delay", ...about, by: "10s" })],
      ["Delay it past the deadline", fault({ fault: "delay", ...about, by: "1.1 timeout" })],
      ["Send it twice", fault({ fault: "duplicate", ...about, after: "1s" })],
      ["Lose the request", fault({ fault: "lose-request", ...about })],
      ["Lose the answer", fault({ fault: "lose-response", ...about })],
    ],
  };
}

export function soon(player) {
  return Math.floor(player.time) + 1;
}

function aggregatorChanges(player) {
  const at = duration(soon(player));
  const kill = (downFor) => fault({ fault: "crash", at, down_for: downFor });
  return {
    title: "The aggregator, now",
    changes: [
      ["Kill it, down for 5 s", kill("5s")],
      ["Kill it, down for 1 min", kill("1m")],
      ["Kill it until past the deadline", kill(duration(player.recording.scenario.timeout + 10000))],
      ["Kill it before its next answer", fault({ fault: "crash", step: "before-response", down_for: "5s" })],
      ["Kill it before it can notify", fault({ fault: "crash", step: "before-notify", down_for: "5s" })],
      ["Pause it for 10 s", fault({ fault: "pause", at, lasts: "10s" })],
      ["Pause it past the deadline", fault({ fault: "pause", at, lasts: duration(player.recording.scenario.timeout + 10000) })],
    ],
    field: (apply) => durationField("30s", "For so long", [["Kill", (text) => apply(kill(text))], ["Pause", (text) => apply(fault({ fault: "pause", at, lasts: text }))]]),
  };
}

function sinkChanges(player) {
  const since = duration(soon(player)), until = duration(soon(player) + 60000);
  return {
    title: "The sink, from now on for a minute",
    changes: [
      ["Refuse with 503", fault({ fault: "sink-refuses", since, until, status: 503 })],
      ["Stall for 5 s", fault({ fault: "sink-stalls", since, until, by: "5s" })],
      ["Hang", fault({ fault: "sink-hangs", since, until })],
      ["Lose the next answer", fault({ fault: "sink-loses-response", since })],
    ],
  };
}

function timerChanges(player) {
  const { timeout } = player.recording.scenario;
  const set = (ms) => ({ change: "timeout", timeout: duration(Math.max(1, Math.round(ms))) });
  return {
    title: `The deadline; the timeout is ${duration(timeout)}`,
    changes: [["Half of it", set(timeout / 2)], ["10 s shorter", set(Math.max(1000, timeout - 10000))], ["10 s longer", set(timeout + 10000)], ["Twice as long", set(timeout * 2)]],
    field: (apply) => durationField(duration(timeout), "Timeout", [["Set", (text) => apply({ change: "timeout", timeout: text })]]),
  };
}

// A duration of one's own, and what to do with it.
function durationField(value, label, actions) {
  const input = h("input", { type: "text", value, "aria-label": label, size: 7 });
  const first = (event) => { event.preventDefault(); actions[0][1](input.value); };
  return h("form", { class: "bar", onsubmit: first }, input, actions.map(([name, act]) => button(name, () => act(input.value))));
}

const KINDS = { region: regionChanges, aggregator: aggregatorChanges, sink: sinkChanges, timer: timerChanges };

// A menu beside what was clicked.
export class BreakMenu {
  constructor(player, apply) {
    this.player = player;
    this.apply = apply;
    this.element = h("div", { class: "menu", role: "dialog", "aria-label": "Break it", hidden: true });
    document.addEventListener("pointerdown", (event) => { if (!this.element.hidden && !this.element.contains(event.target)) this.close(); });
    this.element.addEventListener("keydown", (event) => this.key(event));
  }

  open(kind, name, from) {
    this.player.pause();
    this.from = from;
    const { title, changes, field } = KINDS[kind](this.player, name);
    const choose = (change) => { this.close(); this.apply(change); };
    this.element.replaceChildren(
      h("p", { class: "menu-title" }, title),
      ...changes.map(([label, change]) => button(label, () => choose(change), { class: "menu-item" })),
      ...(field ? [field(choose)] : []));
    this.element.hidden = false;
    const box = from.getBoundingClientRect(), own = this.element.getBoundingClientRect();
    const left = Math.max(8, Math.min(innerWidth - own.width - 8, box.left + box.width / 2 - own.width / 2));
    const below = box.bottom + 6 + own.height < innerHeight;
    const top = below ? box.bottom + 6 : Math.max(8, Math.min(box.top, innerHeight - own.height - 8));
    this.element.style.left = `${left + scrollX}px`;
    this.element.style.top = `${top + scrollY}px`;
    this.element.querySelector("button, input")?.focus({ preventScroll: true });
  }

  close() {
    if (this.element.hidden) return;
    this.element.hidden = true;
    this.from?.focus?.({ preventScroll: true });
  }

  key(event) {
    if (this.element.hidden) return;
    event.stopPropagation();
    if (event.key === "Escape") this.close();
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const all = [...this.element.querySelectorAll("button, input")];
    all[(all.indexOf(document.activeElement) + by + all.length) % all.length]?.focus();
  }
}
