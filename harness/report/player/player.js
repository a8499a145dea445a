// Plays one recording: a position on its clock, and everything that is drawn from it.

import { h, button, REDUCED } from "./dom.js";
import { Clock } from "./clock.js";
import { Stored } from "./stored.js";
import { Scene } from "./scene.js";
import { Timeline } from "./timeline.js";
import { caption, eventList, storedPanel, verdictPanel } from "./verdict.js";
import { ReplayPanel, sourcePanel } from "./code.js";
import { Predict } from "./predict.js";

const SPEEDS = [0.25, 0.5, 1, 2, 4, 8];

export class Player {
  // The hooks: onpick(kind, name, element) opens what can be broken; onmove() is called when it stops anywhere.
  constructor(hooks = {}) {
    this.hooks = hooks;
    this.speed = 1;
    this.playing = false;
    this.position = 0;
    this.last = 0;
    this.frame = (now) => this.tick(now);
    this.stage = h("div", { class: "stage" });
    this.track = h("div", { class: "timeline-box" });
    this.range = h("input", { type: "range", class: "scrub", min: 0, max: 1000, value: 0, "aria-label": "Moment", oninput: () => this.seek((this.range.value / 1000) * this.clock.total) });
    this.caption = caption();
    this.below = h("div", { class: "below" });
    this.tabs = new Tabs();
    this.operationChoice = h("select", { "aria-label": "Operation on the stage", onchange: () => { this.chosen = this.operationChoice.value; this.draw(); } });
    this.controls = this.makeControls();
    new ResizeObserver(() => this.resize()).observe(this.stage);
  }

  makeControls() {
    this.playButton = button("▶ Play", () => this.toggle(), { class: "primary", id: "play", title: "Space" });
    this.predictButton = button("Predict", () => this.predict.ask(), { id: "predict", title: "P" });
    this.speedChoice = h("select", { "aria-label": "Speed", id: "speed", onchange: () => { this.speed = Number(this.speedChoice.value); } },
      SPEEDS.map((it) => h("option", { value: it, selected: it === 1 }, `${it}×`)));
    return h("div", { class: "controls", role: "group", "aria-label": "Play" },
      button("|◀", () => this.seek(0), { "aria-label": "To the start", title: "Home" }),
      button("◀ Step", () => this.step(-1), { "aria-label": "Step back", id: "back", title: "←" }),
      this.playButton,
      button("Step ▶", () => this.step(1), { "aria-label": "Step", id: "step", title: "→" }),
      button("▶|", () => this.seek(this.clock.total), { "aria-label": "To the end", id: "to-end", title: "End" }),
      this.speedChoice, this.predictButton, this.operationChoice);
  }

  // Show a recording. With ``time`` the moment stays: the same past, another future.
  load(recording, { time = null, event = null } = {}) {
    this.pause();
    this.recording = recording;
    this.clock = new Clock(recording);
    this.stored = new Stored(recording);
    this.scene = new Scene(recording, this.clock, this.stored, this.hooks.onpick);
    this.timeline = new Timeline(recording, this.clock, (position) => this.seek(position), this.hooks.onpick);
    this.events = eventList(recording, (nth) => this.seekEvent(nth));
    this.storedPanel = storedPanel(recording);
    this.replay = new ReplayPanel(recording, (at) => this.seek(this.clock.positionOf(at)));
    this.predict = new Predict(recording, this);
    this.predictButton.disabled = !this.predict.possible;
    this.verdict = verdictPanel(recording, (nth) => this.seekEvent(nth, true));
    this.track.replaceChildren(this.timeline.svg, this.range);
    const left = recording.left ? h("p", { class: "doubt" }, recording.left) : null;
    const cut = recording.cut ? h("p", { class: "doubt" }, `The first ${recording.events.length} of ${recording.cut} events are played; the verdict is about all of them.`) : null;
    this.below.replaceChildren(...[this.predict.element, left, cut, this.verdict, this.stored.visible || recording.replays ? this.storedPanel.element : null, this.events.element].filter(Boolean));
    if (recording.replays) this.tabs.set("replay", "Replay", this.replay.element, () => this.draw());
    if (recording.replays) this.tabs.set("source", "Aggregator", sourcePanel(recording));
    this.chosen = "";
    const operations = recording.operations;
    this.operationChoice.replaceChildren(h("option", { value: "" }, "follow the events"), ...operations.slice(0, 200).map((it) => h("option", { value: it.name }, it.name)));
    this.operationChoice.hidden = operations.length < 2;
    this.shownIndex = -2;
    const focused = document.activeElement?.dataset?.pick;
    this.stage.replaceChildren(this.scene.svg);
    this.resize();
    if (focused) this.scene.svg.querySelector(`[data-pick="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
    this.loaded = (this.loaded ?? 0) + 1;
    document.documentElement.dataset.ready = recording.run.trace;
    document.documentElement.dataset.loaded = String(this.loaded);
    if (event !== null) this.seekEvent(event);
    else this.seek(time === null ? 0 : this.clock.positionOf(time));
  }

  resize() {
    if (!this.scene) return;
    const width = this.stage.clientWidth || 1000;
    this.scene.build(width < 600 ? 420 : Math.round(Math.max(660, Math.min(1000, this.wanted(width))) / 20) * 20);
    this.timeline.build(Math.max(320, this.track.clientWidth || 1000));
    this.draw();
  }

  // In how many units the stage is drawn: its own pixels; in a lecture so few that it fills the screen.
  wanted(width) {
    if (!document.body.classList.contains("lecture")) return width - 14;
    return (300 * width) / Math.max(240, innerHeight * 0.66);
  }

  get index() {
    return this.clock.indexAt(this.position);
  }

  get time() {
    return this.clock.timeAt(this.position);
  }

  // The operation on the stage: the chosen one, or that of the last event that has one.
  get operation() {
    const operations = this.recording.operations;
    if (this.chosen) return operations.find((it) => it.name === this.chosen);
    for (let nth = this.index; nth >= 0; nth -= 1) {
      const found = operations.find((it) => it.name === this.recording.events[nth].op);
      if (found) return found;
    }
    return operations[0];
  }

  draw() {
    if (!this.scene) return;
    const index = this.index, time = this.time, operation = this.operation;
    this.scene.draw(this.position, index, time, operation);
    this.timeline.move(this.position);
    this.range.value = String(Math.round((this.position / this.clock.total) * 1000));
    const event = this.recording.events[index];
    this.range.setAttribute("aria-valuetext", event ? event.text : "the start");
    this.caption.show(event, time, this.recording.clauses);
    this.replay.show(time, operation?.name, this.tabs.shown === "replay");
    this.events.show(index, index !== this.shownIndex);
    if (index !== this.shownIndex || !this.playing) this.storedPanel.show(this.stored.at(index, time));
    this.shownIndex = index;
    this.predict.reached(index);
  }

  tick(now) {
    if (!this.playing) return;
    const passed = Math.min(100, now - this.last);
    this.last = now;
    this.position = Math.min(this.clock.total, this.position + passed * this.speed);
    this.draw();
    this.frames = (this.frames ?? 0) + 1;
    if (this.position >= this.clock.total) this.pause();
    else requestAnimationFrame(this.frame);
  }

  play() {
    if (this.position >= this.clock.total) this.position = 0;
    if (REDUCED.matches) return this.stepping();
    this.playing = true;
    this.playButton.textContent = "❚❚ Pause";
    this.last = performance.now();
    requestAnimationFrame(this.frame);
    return undefined;
  }

  // Where motion is unwanted, play goes from event to event, and nothing glides.
  stepping() {
    this.playing = true;
    this.playButton.textContent = "❚❚ Pause";
    const next = () => {
      if (!this.playing) return;
      const following = this.clock.positions[this.index + 1];
      if (following === undefined) {
        this.pause();
        return;
      }
      this.position = following;
      this.draw();
      this.timer = setTimeout(next, 1200 / this.speed);
    };
    next();
  }

  pause() {
    this.playing = false;
    clearTimeout(this.timer);
    this.playButton.textContent = "▶ Play";
    this.hooks.onmove?.();
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  seek(position) {
    this.position = Math.max(0, Math.min(this.clock.total, position));
    this.draw();
    this.hooks.onmove?.();
  }

  seekEvent(nth, look = false) {
    this.pause();
    this.seek(this.clock.positions[Math.max(0, Math.min(nth, this.clock.positions.length - 1))] ?? 0);
    if (look) this.stage.scrollIntoView({ block: "nearest" });
  }

  step(by) {
    this.pause();
    const at = this.index;
    if (by > 0) this.seekEvent(Math.min(at + 1, this.recording.events.length - 1));
    else if (at > 0 && this.position <= this.clock.positions[at] + 1) this.seekEvent(at - 1);
    else if (at >= 0 && this.position > this.clock.positions[at] + 1) this.seekEvent(at);
    else this.seek(0);
  }

  faster(by) {
    const at = Math.max(0, Math.min(SPEEDS.length - 1, SPEEDS.indexOf(this.speed) + by));
    this.speed = SPEEDS[at];
    this.speedChoice.value = String(this.speed);
  }

  hideVerdict(hidden) {
    this.verdict.hidden = hidden;
  }
}

// Panels of which one is shown. The arrow keys stay with the stage, so each tab can be reached by itself.
export class Tabs {
  constructor() {
    this.list = h("div", { class: "tabs", role: "tablist", "aria-label": "Beside the stage" });
    this.body = h("div", { class: "tab-body" });
    this.element = h("div", { class: "side" }, this.list, this.body);
    this.entries = new Map();
    this.shown = "";
  }

  set(id, name, content, onshow = () => {}) {
    let entry = this.entries.get(id);
    if (!entry) {
      const tab = button(name, () => this.show(id), { role: "tab", id: `tab-${id}`, "aria-controls": `panel-${id}`, "aria-selected": "false" });
      const panel = h("div", { role: "tabpanel", id: `panel-${id}`, "aria-labelledby": `tab-${id}`, hidden: true });
      entry = { tab, panel };
      this.entries.set(id, entry);
      this.list.append(tab);
      this.body.append(panel);
    }
    entry.onshow = onshow;
    entry.panel.replaceChildren(content);
    if (!this.shown) this.show(id);
  }

  show(id) {
    this.shown = id;
    for (const [name, { tab, panel }] of this.entries) {
      tab.setAttribute("aria-selected", String(name === id));
      panel.hidden = name !== id;
    }
    this.entries.get(id)?.onshow();
  }
}
