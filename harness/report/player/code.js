// Code beside the run: what is wrong with the aggregator that is judged, and the orchestration as it is replayed.

import { h, button, instant, REDUCED } from "./dom.js";

export function sourcePanel(recording) {
  const { source } = recording;
  if (!source) {
    return h("div", { class: "source" }, h("p", {}, "This is fanin's own aggregator, without a known bug. Choose one of the zoo above, and its wrong lines stand here beside the right ones."));
  }
  const lesson = recording.target.startsWith("lesson:");
  const parts = source.parts.map((part) => h("div", { class: "pair" },
    h("figure", { class: lesson ? "" : "wrong" }, h("figcaption", {}, part.where), h("pre", { tabindex: 0 }, part.wrong)),
    part.right ? h("figure", { class: "right" }, h("figcaption", {}, lesson ? "what the next chapter changes" : "right: what it stands in for"), h("pre", { tabindex: 0 }, part.right)) : null));
  const words = () => h("p", {}, h("strong", {}, source.name), `: ${source.what}`);
  const wide = h("dialog", { class: "wide-source", "aria-label": "Source, side by side" });
  const open = () => {
    wide.replaceChildren(words(), ...parts.map((it) => it.cloneNode(true)), button("Close", () => wide.close()));
    wide.showModal();
  };
  return h("div", { class: "source" }, words(), button("Side by side", open), parts, wide);
}

const FLASH = 420;

// At each event the orchestration runs again from its first line: what the history satisfies flashes past, the
// await at which it stops lights up.
export class ReplayPanel {
  constructor(recording, onseek) {
    const { replays } = recording;
    this.replays = replays;
    this.lines = new Map();
    this.shown = "";
    this.timers = [];
    const listing = (replays?.functions ?? []).flatMap((fn) => [...fn.lines.map((text, nth) => {
      const line = h("div", { class: "line" }, h("span", { class: "nr" }, String(fn.first + nth)), h("code", {}, text || " "));
      this.lines.set(fn.first + nth, line);
      return line;
    }), h("div", { class: "line gap" })]);
    this.title = h("h3", {});
    this.facts = h("div", { class: "facts" });
    this.previous = button("◀ replay", () => this.go(-1, onseek), { "aria-label": "Previous replay" });
    this.next = button("replay ▶", () => this.go(1, onseek), { "aria-label": "Next replay" });
    this.again = button("↻ from the first line", () => this.animate(), {});
    this.listing = h("div", { class: "listing", tabindex: 0, role: "group", "aria-label": "The orchestration's code" }, listing);
    this.element = h("div", { class: "replay" },
      h("p", { class: "quiet" }, `${replays?.file ?? ""}: the same webhooks and answers, on a history in memory.`),
      h("div", { class: "bar" }, this.previous, this.next, this.again), this.title, this.listing, this.facts);
  }

  operation(name) {
    const all = this.replays?.operations ?? [];
    return all.find((it) => it.op === name) ?? all[0];
  }

  show(time, name, visible) {
    const operation = this.operation(name);
    if (!operation) {
      this.title.textContent = "No webhook was stored, so nothing was orchestrated.";
      return;
    }
    let nth = -1;
    while (nth + 1 < operation.replays.length && operation.replays[nth + 1].at <= time + 0.5) nth += 1;
    this.current = { operation, nth };
    const key = `${operation.op} ${nth}`;
    if (key === this.shown || !visible) return;
    this.shown = key;
    this.render();
  }

  render() {
    const { operation, nth } = this.current;
    const replay = operation.replays[nth];
    this.previous.disabled = nth <= 0;
    this.next.disabled = nth + 1 >= operation.replays.length;
    this.again.disabled = nth < 0;
    if (!replay) {
      this.title.textContent = "Not started: the first webhook will start it.";
      this.facts.replaceChildren();
      this.light([]);
      return;
    }
    this.title.textContent = `Replay ${replay.number} of ${operation.replays.length}, at ${instant(replay.at)}`;
    const events = operation.history.slice(0, replay.length);
    this.facts.replaceChildren(
      h("h4", {}, "History"),
      h("ol", { class: "history" }, events.map((text, at) => h("li", { class: at >= replay.past ? "new" : "" }, text, at >= replay.past ? h("span", { class: "visually-hidden" }, " (new)") : null))),
      h("h4", {}, "Awaits"),
      h("ol", { class: "awaits" }, replay.awaits.map((it) => h("li", { class: satisfied(it) }, h("code", {}, `line ${it.line}`), ` ${it.what}: `, h("strong", {}, it.satisfied)))),
      h("h4", {}, "Asked for"),
      h("p", {}, replay.asked.join(", ") || "nothing more"));
    this.animate();
  }

  animate() {
    for (const timer of this.timers) clearTimeout(timer);
    this.timers = [];
    const { operation, nth } = this.current ?? {};
    const awaits = operation?.replays[nth]?.awaits ?? [];
    if (REDUCED.matches) {
      this.light(awaits);
      return;
    }
    this.light([]);
    awaits.forEach((it, at) => this.timers.push(setTimeout(() => this.light(awaits.slice(0, at + 1)), FLASH * at)));
  }

  light(awaits) {
    for (const line of this.lines.values()) line.className = line.className.replace(/ (past|fresh|stopped|flash)/g, "");
    awaits.forEach((it, nth) => {
      const line = this.lines.get(it.line);
      if (!line) return;
      line.className = `line ${satisfied(it)}${nth === awaits.length - 1 ? " flash" : ""}`;
      if (nth === awaits.length - 1) this.listing.scrollTop = Math.max(0, line.offsetTop - this.listing.clientHeight / 2);
    });
  }

  go(by, onseek) {
    const { operation, nth } = this.current ?? {};
    const replay = operation?.replays[nth + by];
    if (replay) onseek(replay.at);
  }
}

function satisfied(it) {
  return { "by the history": "past", "by a new event": "fresh" }[it.satisfied] ?? "stopped";
}
