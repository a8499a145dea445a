// Predict: the stage stops before the decisive moment and asks; then it plays on and explains.

import { h, button } from "./dom.js";

export class Predict {
  constructor(recording, player) {
    this.questions = recording.questions;
    this.player = player;
    this.element = h("section", { class: "panel predict", "aria-label": "Predict", tabindex: -1, hidden: true });
  }

  get possible() {
    return Boolean(this.questions?.questions.length);
  }

  ask() {
    if (!this.possible) return;
    this.answers = this.questions.questions.map(() => null);
    this.player.hideVerdict(true);
    this.player.seekEvent(Math.max(0, this.questions.before - 1));
    this.render();
    this.element.hidden = false;
    this.element.focus();
    this.element.scrollIntoView({ block: "nearest" });
  }

  render() {
    const forms = this.questions.questions.map((question, nth) => h("fieldset", {},
      h("legend", {}, question.ask),
      question.choices.map((choice, at) => h("label", {},
        h("input", { type: "radio", name: `question-${nth}`, onchange: () => { this.answers[nth] = at; } }), ` ${choice}`))));
    this.element.replaceChildren(
      h("h2", {}, "What will happen?"),
      h("p", { class: "quiet" }, "The stage stands before the decisive moment."),
      ...forms,
      h("div", { class: "bar" },
        button("Play on and see", () => this.reveal(), { class: "primary", id: "reveal" }),
        button("Never mind", () => this.close())));
  }

  // Play on; the explanation waits for the notification, or for the end of a run without one.
  reveal() {
    const { events } = this.player.recording;
    const nth = events.findIndex((it, at) => at >= this.questions.before && it.kind === "notification" && it.op === this.questions.op);
    this.until = nth < 0 ? events.length - 1 : nth;
    this.element.replaceChildren(h("h2", {}, "Watch …"), h("div", { class: "bar" }, button("Skip", () => this.player.seekEvent(this.until), { id: "skip" })));
    this.player.play();
  }

  // Called with every event that has come.
  reached(index) {
    if (this.until === undefined || index < this.until) return;
    this.until = undefined;
    this.explain();
  }

  explain() {
    let right = 0;
    const rows = this.questions.questions.map((question, nth) => {
      const answer = this.answers[nth], good = answer === question.right;
      if (good) right += 1;
      const said = answer === null ? "no answer" : `you said ${question.choices[answer]}`;
      return h("li", { class: good ? "t-good" : "t-odd" },
        h("strong", {}, `${good ? "✓" : "→"} ${question.choices[question.right]}`), ` (${said}). `,
        h("span", { class: "why" }, question.why));
    });
    this.player.hideVerdict(false);
    this.element.replaceChildren(
      h("h2", {}, `${right} of ${rows.length} right`), h("ol", {}, rows),
      h("div", { class: "bar" }, button("Close", () => this.close())));
  }

  close() {
    this.until = undefined;
    this.element.hidden = true;
    this.player.hideVerdict(false);
  }
}
