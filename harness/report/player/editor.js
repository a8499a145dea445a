// The scenario's YAML, edited in place: line numbers, the loader's errors at their lines, completion.

import { h } from "./dom.js";

const WAIT = 450;

export class Editor {
  // ``onchange(text)`` when the typing has paused; ``complete(text, cursor)`` resolves to what may be written.
  constructor({ onchange, complete }) {
    this.onchange = onchange;
    this.complete = complete;
    this.gutter = h("div", { class: "gutter", "aria-hidden": "true" });
    this.area = h("textarea", {
      id: "yaml", spellcheck: "false", autocapitalize: "off", autocomplete: "off", wrap: "off", rows: 16,
      "aria-label": "The scenario as YAML", "aria-describedby": "problems",
      oninput: () => this.typed(), onscroll: () => { this.gutter.scrollTop = this.area.scrollTop; this.close(); },
      onkeydown: (event) => this.key(event), onblur: () => setTimeout(() => this.close(), 150),
    });
    this.problems = h("ul", { class: "problems" });
    this.list = h("ul", { class: "offers", role: "listbox", "aria-label": "What may be written", hidden: true });
    this.element = h("div", { class: "editor" }, h("div", { class: "editor-body" }, this.gutter, this.area, this.list), h("div", { id: "problems", role: "status" }, this.problems));
    this.offers = [];
    this.marked = new Map();
  }

  get text() {
    return this.area.value;
  }

  set text(text) {
    if (this.area.value !== text) this.area.value = text;
    this.number();
  }

  typed() {
    this.number();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.onchange(this.text), WAIT);
    this.offer();
  }

  number() {
    const count = this.text.split("\n").length;
    this.gutter.replaceChildren(...Array.from({ length: count }, (_, nth) => {
      const wrong = this.marked.get(nth + 1);
      return h("div", { class: wrong ? "wrong" : "", title: wrong ?? null }, wrong ? `✗ ${nth + 1}` : String(nth + 1));
    }));
    this.gutter.scrollTop = this.area.scrollTop;
  }

  show(problems) {
    this.marked = new Map(problems.map((it) => [it.line, it.message]));
    this.problems.replaceChildren(...problems.slice(0, 6).map((it) => h("li", {},
      it.line ? h("button", { type: "button", class: "link", onclick: () => this.go(it.line, it.column) }, `line ${it.line}`) : null, ` ${it.message}`)));
    this.area.setAttribute("aria-invalid", String(problems.length > 0));
    this.number();
  }

  go(line, column) {
    const lines = this.text.split("\n");
    const at = lines.slice(0, line - 1).reduce((sum, it) => sum + it.length + 1, 0) + Math.max(0, column - 1);
    this.area.focus();
    this.area.setSelectionRange(at, at + 1);
    this.area.scrollTop = Math.max(0, (line - 4) * this.lineHeight());
  }

  lineHeight() {
    return parseFloat(getComputedStyle(this.area).lineHeight) || 18;
  }

  async offer(asked = false) {
    const cursor = this.area.selectionStart;
    const before = this.text.slice(0, cursor).split("\n").at(-1);
    if (!asked && !/[A-Za-z{,[] ?$|^\s*(- )?$/.test(before)) {
      this.close();
      return;
    }
    const found = await this.complete(this.text, cursor);
    if (!found || this.area.selectionStart !== cursor || document.activeElement !== this.area) return;
    this.start = found.start;
    this.offers = asked || cursor > found.start ? found.offers : [];
    this.chosen = 0;
    this.render();
  }

  render() {
    this.list.hidden = !this.offers.length;
    this.list.replaceChildren(...this.offers.map((it, nth) => h("li", {
      role: "option", id: `offer-${nth}`, "aria-selected": String(nth === this.chosen),
      onpointerdown: (event) => { event.preventDefault(); this.take(nth); },
    }, h("code", {}, it.text), h("span", {}, it.detail))));
    if (!this.offers.length) return;
    this.area.setAttribute("aria-activedescendant", `offer-${this.chosen}`);
    const row = this.text.slice(0, this.start).split("\n").length;
    const column = this.start - this.text.lastIndexOf("\n", this.start - 1) - 1;
    this.list.style.top = `${row * this.lineHeight() + 8 - this.area.scrollTop}px`;
    this.list.style.left = `${Math.min(46 + column * 7.6, Math.max(46, this.area.clientWidth - 190))}px`;
    this.list.children[this.chosen]?.scrollIntoView({ block: "nearest" });
  }

  close() {
    this.offers = [];
    this.list.hidden = true;
    this.area.removeAttribute("aria-activedescendant");
  }

  take(nth) {
    const { text } = this.offers[nth];
    this.area.setRangeText(text, this.start, this.area.selectionStart, "end");
    this.close();
    this.typed();
  }

  key(event) {
    if (event.key === " " && event.ctrlKey) {
      event.preventDefault();
      this.offer(true);
      return;
    }
    if (!this.offers.length) return;
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by) {
      event.preventDefault();
      this.chosen = (this.chosen + by + this.offers.length) % this.offers.length;
      this.render();
    } else if (event.key === "Enter" || event.key === "Tab") {
      event.preventDefault();
      this.take(this.chosen);
    } else if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      this.close();
    }
  }
}
