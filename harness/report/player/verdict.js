// The verdict with its findings, which point at events; the captions; the list of events; what is stored.

import { h, button, instant } from "./dom.js";

const WORDS = { valid: "VALID", invalid: "INVALID", unknown: "UNKNOWN" };
const MEANING = {
  valid: "The judge found that every clause of the contract was kept.",
  invalid: "The judge found a broken clause. Its evidence leads to the moment.",
  unknown: "The judge says that this run proves nothing, and why.",
};

export function clauseName(slug) {
  return slug === "expectation" ? "expectation" : `clause ${slug.replace("-", " · ").replaceAll("-", " ")}`;
}

export function verdictPanel(recording, onevent) {
  const { verdict, run } = recording;
  const head = h("div", { class: "verdict-head" },
    h("strong", { class: `verdict ${verdict.validity}`, id: "validity" }, WORDS[verdict.validity]),
    h("span", {}, verdict.remark || MEANING[verdict.validity]));
  const findings = verdict.findings.map((finding, nth) => h("article", { class: "finding", id: `finding-${nth + 1}` },
    h("p", { class: "rule" }, clauseName(finding.rule)),
    h("h3", {}, finding.message),
    h("ol", { class: "evidence" }, finding.evidence.slice(0, 8).map((proof) => h("li", {},
      proof.event >= 0 ? button(proof.clock, () => onevent(proof.event), { class: "link" }) : h("span", {}, proof.clock),
      h("span", {}, proof.text)))),
    finding.by_region.length ? h("pre", { tabindex: 0, role: "group", "aria-label": "Region by region" }, finding.by_region.join("\n")) : null,
    finding.looks_like.map((bug) => h("p", { class: "quiet" }, `Looks like ${bug} (docs/bugs.md).`))));
  const errors = recording.errors.map(([first, traceback], nth) => h("details", { open: nth === 0 }, h("summary", {}, `Raised in ${first}`), h("pre", { tabindex: 0 }, traceback)));
  const doubts = [...verdict.doubts, ...verdict.notes.map((note) => `Note: ${note}`)].map((doubt) => h("p", { class: "doubt" }, doubt));
  const outcomes = verdict.outcomes.slice(0, 8).map((it) => h("li", {},
    h("strong", {}, it.count > 1 ? `${it.op} and ${it.count - 1} more` : it.op), " ",
    h("span", { class: it.right ? "t-good" : "t-bad" }, it.outcome + (it.at ? ` at ${it.at}` : "")),
    `: ${it.reason}.`));
  return h("section", { class: "panel verdict-panel", "aria-label": "Verdict" }, h("h2", { class: "visually-hidden" }, "Verdict"), head, findings, errors, doubts,
    outcomes.length ? h("ul", { class: "outcomes" }, outcomes) : null,
    h("p", { class: "quiet replay-line" }, `judged: ${run.target} · seed ${run.seed} · trace ${run.trace} · `, h("code", {}, run.replay)));
}

export function caption() {
  const clock = h("span", { class: "clock", id: "clock" });
  const text = h("span", { class: "caption-text" }, "Playing the run …");
  const clause = h("span", { class: "clause" });
  const element = h("div", { class: "caption" }, clock, h("p", {}, text, " ", clause));
  const show = (event, time, clauses) => {
    clock.textContent = instant(Math.round(time));
    const words = event ? event.text : "Nothing has happened yet. Press play, or step with the arrow keys.";
    if (text.textContent !== words) text.textContent = words;
    element.setAttribute("class", `caption t-${event?.tone ?? "plain"}`);
    const slug = event?.clause ?? "";
    clause.textContent = slug ? clauseName(slug) : "";
    clause.title = clauses[slug] ?? "";
    clause.hidden = !slug;
  };
  const say = (words) => { text.textContent = words; };
  return { element, show, say };
}

const LISTED = 400;

// Every event as a list; what has happened is marked, and the last one is announced.
export function eventList(recording, onevent) {
  const rows = recording.events.slice(0, LISTED).map((event, nth) => h("li", { class: `t-${event.tone}` },
    button(instant(event.at), () => onevent(nth), { class: "link" }),
    h("span", { class: "lane-name" }, event.lane || ""), h("span", {}, event.text)));
  const more = recording.events.length - rows.length;
  const list = h("ol", { class: "events", id: "events" }, rows, more > 0 ? h("li", { class: "quiet" }, `… and ${more} more`) : null);
  const live = h("ol", {});
  const log = h("div", { class: "visually-hidden", role: "log", "aria-live": "polite", "aria-label": "What has just happened" }, live);
  const details = h("details", { class: "panel" }, h("summary", {}, `All ${recording.events.length} events`), list);
  let shown = -1;
  const show = (index, announce) => {
    if (index === shown) return;
    rows[shown]?.classList.remove("now");
    rows[index]?.classList.add("now");
    rows[index]?.setAttribute("aria-current", "step");
    rows[shown]?.removeAttribute("aria-current");
    if (announce && index >= 0) {
      live.append(h("li", {}, `${instant(recording.events[index].at)} ${recording.events[index].text}`));
      while (live.children.length > 3) live.firstChild.remove();
    }
    shown = index;
  };
  return { element: h("div", {}, log, details), show };
}

export function storedPanel(recording) {
  const body = h("div", {}), when = h("p", { class: "quiet hint" });
  const element = h("section", { class: "panel stored", "aria-label": "Stored" },
    h("h2", {}, "What the aggregator has stored"), body, when);
  let shown = "";
  const show = (stored) => {
    const key = JSON.stringify(stored);
    if (key === shown) return;
    shown = key;
    if (stored === null) {
      body.replaceChildren(h("p", { class: "quiet" }, "This run's aggregator was judged from outside, so its store was not read."));
      return;
    }
    const down = stored.down ? h("p", { class: "t-fault" }, "It is down. This is what it left on disk.") : null;
    const instances = stored.instances.length
      ? table(["instance", "state", "arrived", "missing", "deadline"], stored.instances.map((it) => [
        shortened(it.id), [it.state, `s-${it.state}`], it.arrived.join(", ") || "–", it.missing.join(", ") || "–", instant(it.deadline),
      ]))
      : h("p", { class: "quiet" }, "No instance yet: fanin instances lists nothing.");
    const outbox = stored.outbox === null ? null : stored.outbox.length
      ? table(["outbox", "outcome", "key", "attempts failed", "why"], stored.outbox.map((it) => [
        it.target, [it.outcome, `s-${it.outcome}`], shortened(it.key), String(it.attempts), it.error ?? "",
      ]))
      : h("p", { class: "quiet" }, "The outbox is empty: nothing is to be delivered.");
    when.textContent = stored.at === null ? "" : `as GET /instances and GET /outbox answered at ${instant(stored.at)}, just before the next event`;
    body.replaceChildren(...[down, instances, stored.more ? h("p", { class: "quiet" }, "… and more instances") : null, outbox].filter(Boolean));
  };
  return { element, show };
}

function shortened(text) {
  return text.length > 14 ? `${text.slice(0, 12)}…` : text;
}

function table(heads, rows) {
  return h("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": `Table: ${heads[0]}` }, h("table", {},
    h("thead", {}, h("tr", {}, heads.map((it) => h("th", { scope: "col" }, it)))),
    h("tbody", {}, rows.map((cells) => h("tr", {}, cells.map((it) => Array.isArray(it) ? h("td", { class: it[1] }, it[0]) : h("td", {}, it)))))));
}
