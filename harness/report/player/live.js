// The page of a server: it chooses what is played, breaks it, edits it, and plays it again.

import { h, button } from "./dom.js";
import { Editor } from "./editor.js";
import { BreakMenu, nextRegion, nextDelivery, soon } from "./breaks.js";
import { duration } from "./dom.js";
import { decoded, download, encoded } from "./share.js";

const PROGRESS = "fanin-lessons";

export class Live {
  constructor(offer, player, say) {
    this.offer = offer;
    this.player = player;
    this.say = say;
    this.past = [];
    this.future = [];
    this.turn = 0;
    this.menu = new BreakMenu(player, (change) => this.change(change));
    player.hooks.onpick = (kind, name, element) => this.menu.open(kind, name, element);
    this.editor = new Editor({ onchange: (text) => this.edited(text), complete: (yaml, cursor) => this.ask("complete", { yaml, cursor }) });
    this.makeChoices();
    this.makeSide();
  }

  makeChoices() {
    const { scenarios, bugs, app, first } = this.offer;
    const own = scenarios.some((it) => it.name === first.name) ? [] : [h("option", { value: first.name }, first.name)];
    this.scenarioChoice = h("select", { id: "scenario", onchange: () => this.choose(this.scenarioChoice.value) },
      own, scenarios.map((it) => h("option", { value: it.name, title: it.title }, it.name)));
    this.targetChoice = h("select", { id: "target", onchange: () => this.chooseTarget(this.targetChoice.value) },
      h("option", { value: "fanin" }, "fanin’s own, right"),
      app ? h("option", { value: "app" }, app) : null,
      h("optgroup", { label: "The course" }, this.offer.lessons.map((it) => h("option", { value: it.target }, it.title))),
      bugs.map((family) => h("optgroup", { label: family.family }, family.bugs.map((it) => h("option", { value: `bug:${it.name}`, title: it.what }, it.name)))));
    this.seed = h("input", { type: "number", id: "seed", min: 0, step: 1, onchange: () => this.play() });
    this.element = h("div", { class: "choices" },
      h("label", {}, "Scenario ", this.scenarioChoice), h("label", {}, "Aggregator ", this.targetChoice),
      h("label", {}, "Seed ", this.seed));
  }

  makeSide() {
    this.undoButton = button("↶ Undo", () => this.undo(), { id: "undo", disabled: true });
    this.redoButton = button("↷ Redo", () => this.redo(), { id: "redo", disabled: true });
    this.faults = h("ul", { class: "faults", "aria-label": "Faults" });
    this.command = h("code", {});
    const panel = h("div", {},
      h("div", { class: "bar" }, this.undoButton, this.redoButton, button("Download", () => download(`${this.name}.yaml`, "application/yaml", this.editor.text))),
      h("p", { class: "quiet hint" }, "Click a region, the aggregator, the timer or the sink to break it. Ctrl+Space completes."),
      this.faults, this.editor.element, h("p", { class: "quiet" }, "Plays the same: ", this.command));
    this.player.tabs.set("scenario", "Scenario", panel);
    if (this.offer.lessons.length) this.player.tabs.set("lessons", "Course", this.lessons());
    document.body.append(this.menu.element);
  }

  get name() {
    return this.player.recording?.scenario.name ?? this.offer.first.name;
  }

  async start() {
    const shared = location.hash.length > 1 ? await decoded(location.hash.slice(1)) : null;
    addEventListener("hashchange", async () => {
      const value = await decoded(location.hash.slice(1));
      if (value) this.open(value);
    });
    if (shared) return this.open(shared);
    const { first, seed, target } = this.offer;
    return this.open({ n: first.name, y: first.yaml, s: seed, a: target });
  }

  // Open a shared place: scenario (name or text), seed, aggregator, moment.
  async open({ n, y, s = 0, a = "fanin", t = null, e = null }) {
    const known = this.offer.scenarios.find((it) => it.name === n);
    const text = typeof y === "string" ? y : known?.yaml;
    if (text === undefined) {
      this.say(`The link names the scenario ${n}, which is not here.`);
      return this.open({ n: this.offer.first.name, y: this.offer.first.yaml });
    }
    this.seed.value = String(Math.max(0, Math.floor(Number(s) || 0)));
    this.targetChoice.value = a;
    if (!this.targetChoice.value) this.targetChoice.value = "fanin";
    this.scenarioChoice.value = n;
    this.editor.text = text;
    this.remember(text, true);
    await this.play({ time: t, event: e });
    return undefined;
  }

  choose(name) {
    const { scenarios, first } = this.offer;
    const text = scenarios.find((it) => it.name === name)?.yaml ?? first.yaml;
    this.editor.text = text;
    this.remember(text);
    this.play({ time: 0 });
  }

  chooseTarget(target) {
    const bug = this.offer.bugs.flatMap((it) => it.bugs).find((it) => `bug:${it.name}` === target);
    const untouched = this.offer.scenarios.some((it) => it.yaml === this.editor.text);
    if (bug && untouched && bug.scenario !== this.scenarioChoice.value) {
      this.scenarioChoice.value = bug.scenario;
      this.choose(bug.scenario);
      this.say(`${bug.scenario} shows this bug best.`);
    } else this.play({ time: 0 });
    this.player.tabs.show(bug ? "source" : "scenario");
  }

  remember(text, anew = false) {
    if (anew) this.past = [];
    if (this.past.at(-1) !== text) this.past.push(text);
    this.future = [];
    this.buttons();
  }

  buttons() {
    this.undoButton.disabled = this.past.length < 2;
    this.redoButton.disabled = !this.future.length;
  }

  undo() {
    if (this.past.length < 2) return;
    this.future.push(this.past.pop());
    this.restore();
  }

  redo() {
    if (!this.future.length) return;
    this.past.push(this.future.pop());
    this.restore();
  }

  restore() {
    this.editor.text = this.past.at(-1);
    this.buttons();
    this.play({ time: this.player.time });
  }

  edited(text) {
    if (text === this.past.at(-1)) return;
    this.remember(text);
    this.play({ time: this.player.time, quiet: true });
  }

  change(change) {
    return this.play({ time: this.player.time, change });
  }

  kill() {
    this.change({ change: "add-fault", fault: { fault: "crash", at: duration(soon(this.player)), down_for: "5s" } });
  }

  drop() {
    const { recording, index } = this.player;
    const picked = document.activeElement?.dataset?.pick;
    const region = picked?.startsWith("region:") ? picked.slice(7) : nextRegion(recording, index);
    const delivery = nextDelivery(recording, index, region);
    if (!delivery) this.say("No delivery is left to drop; step back first.");
    else this.change({ change: "add-fault", fault: { fault: "drop", region, operation: delivery.op } });
  }

  // Play what stands in the editor, with a change to it or without.
  async play({ time = null, event = null, change = null, quiet = false } = {}) {
    const turn = (this.turn += 1);
    const began = performance.now();
    const request = { yaml: this.editor.text, seed: Math.max(0, Math.floor(Number(this.seed.value) || 0)), target: this.targetChoice.value, change };
    this.player.stage.setAttribute("aria-busy", "true");
    const response = await this.ask("play", request);
    if (turn !== this.turn) return;
    this.player.stage.removeAttribute("aria-busy");
    if (!response) return;
    if (response.problems?.length || response.error) {
      const problems = response.problems ?? [{ line: 0, column: 0, message: response.error }];
      if (change) this.say(`That cannot be: ${problems[0].message}`);
      else this.editor.show(problems);
      if (!this.player.recording) this.player.caption.say(`This cannot be played: ${problems[0].message}`);
      return;
    }
    this.editor.show([]);
    if (change) {
      const expected = /^(expect|verdict):/m.test(this.editor.text);
      this.editor.text = response.yaml;
      this.remember(response.yaml);
      this.say(expected ? "Played again with the same seed. What the scenario expected was about the world before, so it is gone." : "Played again with the same seed: the same past, another future.");
    }
    this.player.load(response.recording, { time, event });
    this.describe(response.recording);
    this.took = performance.now() - began;
    document.documentElement.dataset.took = this.took.toFixed(0);
    if (quiet) this.editor.area.focus();
  }

  describe(recording) {
    this.command.textContent = recording.run.replay;
    document.title = `${recording.scenario.name} – fanin demo`;
    this.faults.replaceChildren(...recording.faults.map((text, index) => h("li", {}, h("span", {}, text),
      button("×", () => this.change({ change: "remove-fault", index }), { "aria-label": `Remove the fault: ${text}` }))));
  }

  async ask(what, body) {
    try {
      const response = await fetch(`api/${what}`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
      if (!response.ok) throw new Error(await response.text());
      return what === "save" ? response.text() : response.json();
    } catch (error) {
      this.say(error instanceof TypeError ? "The server does not answer; is fanin demo still running?" : String(error.message));
      return null;
    }
  }

  async share() {
    const text = this.editor.text;
    const known = this.offer.scenarios.find((it) => it.yaml === text);
    const place = { n: known?.name ?? this.name, s: Number(this.seed.value), a: this.targetChoice.value, e: this.player.index };
    const fragment = await encoded(known ? place : { ...place, y: text });
    history.replaceState(null, "", `#${fragment}`);
    try {
      await navigator.clipboard.writeText(location.href);
      this.say("The link is copied: scenario, seed and moment are in it.");
    } catch {
      this.say("The link stands in the address bar: scenario, seed and moment are in it.");
    }
  }

  async save() {
    const page = await this.ask("save", { recording: this.player.recording });
    if (page) download(`${this.name}.seed-${this.player.recording.run.seed}.html`, "text/html", page);
  }

  // The course: chapters in their order, each with the scenario that it fails. Progress stays in this browser.
  lessons() {
    const done = new Set(JSON.parse(localStorage.getItem(PROGRESS) ?? "[]"));
    const rows = this.offer.lessons.map((it) => {
      const row = h("li", { class: done.has(it.target) ? "done" : "" });
      const open = (scenario) => {
        done.add(it.target);
        localStorage.setItem(PROGRESS, JSON.stringify([...done]));
        row.className = "done";
        this.open({ n: scenario, a: it.target });
      };
      row.append(
        h("h3", {}, it.title), h("p", {}, it.idea),
        h("div", { class: "bar" },
          button(it.fails ? `Play what it fails: ${it.scenario}` : `Play ${it.scenario}`, () => open(it.scenario), { class: "wide" }),
          button("Its code", () => { open(it.scenario); this.player.tabs.show("source"); })),
        h("p", { class: "hint quiet" }, "Survives ", it.survives.map((name) => button(name, () => open(name), { class: "link" }))));
      if (it.fails) row.append(h("details", {}, h("summary", {}, "Why it fails, and what mends it"), h("p", {}, it.why), h("p", {}, h("strong", {}, "Next: "), it.mend)));
      return row;
    });
    return h("div", {}, h("p", { class: "quiet" }, "Six aggregators of fifty lines. Each mends the bug of the one before it, and five of them fail something new. docs/guide/ has the text."), h("ol", { class: "lessons" }, rows));
  }
}
