// The page: it takes its recording from itself or from its server, and listens to the keyboard.

import { h, button } from "./dom.js";
import { Player } from "./player.js";
import { Live } from "./live.js";
import { decoded, encoded } from "./share.js";

const KEYS = [
  ["Space", "play, pause"], ["← →", "step back, step"], ["Home End", "to the start, to the end"], ["[ ]", "slower, faster"],
  ["P", "predict"], ["K", "kill the aggregator now"], ["D", "drop the next delivery"], ["Z", "undo"], ["L", "lecture mode"], ["?", "these keys"], ["Esc", "close"],
];

function given(name) {
  const element = document.getElementById(name);
  return element ? JSON.parse(element.textContent) : null;
}

function build() {
  restyle();
  const offer = given("live"), recording = given("recording");
  const player = new Player();
  const toast = h("p", { class: "toast", role: "status", hidden: true });
  let hide = 0;
  const say = (text) => {
    toast.textContent = text;
    toast.hidden = false;
    clearTimeout(hide);
    hide = setTimeout(() => { toast.hidden = true; }, 6000);
  };
  const live = offer ? new Live(offer, player, say) : null;
  const help = h("dialog", { class: "help", "aria-label": "Keys" }, h("h2", {}, "Keys"),
    h("dl", {}, KEYS.filter(([key]) => live || !"KDZ".includes(key)).map(([key, what]) => h("div", {}, h("dt", {}, key), h("dd", {}, what)))),
    button("Close", () => help.close()));
  const lecture = () => {
    document.body.classList.toggle("lecture");
    player.resize();
  };
  const title = recording ? h("h1", {}, recording.scenario.name, h("span", { class: "quiet" }, ` ${recording.scenario.title}`)) : h("h1", {}, "fanin demo");
  const share = async () => {
    if (live) return live.share();
    history.replaceState(null, "", `#${await encoded({ e: player.index })}`);
    say("The address now leads to this moment.");
    return undefined;
  };
  if (recording) player.tabs.set("scenario", "Scenario", about(recording));
  const header = h("header", { class: "top" }, title, live?.element, h("div", { class: "bar tools" },
    button("Copy link", share, { id: "share" }), live ? button("Save page", () => live.save(), { id: "save" }) : null,
    button("Lecture", lecture, { id: "lecture", title: "L" }), button("?", () => help.showModal(), { "aria-label": "Keys", title: "?" })));
  const main = h("main", {},
    h("div", { class: "theatre" }, player.stage, player.caption.element, player.controls, player.track, player.below),
    player.tabs.element);
  document.getElementById("app").replaceChildren(header, main, toast, help);
  document.addEventListener("keydown", (event) => key(event, { player, live, lecture, help }));
  return { player, live, recording };
}

// What was played, for a page without a server.
function about(recording) {
  return h("div", {},
    recording.scenario.description ? h("p", {}, recording.scenario.description) : null,
    h("dl", { class: "facts-list" }, recording.facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))),
    h("pre", { tabindex: 0, role: "group", "aria-label": "The scenario as YAML" }, recording.yaml),
    h("p", { class: "quiet" }, "Plays it again: ", h("code", {}, recording.run.replay)));
}

// A page of a report has its words first, with a style of their own; both give way to the player.
function restyle() {
  const style = document.getElementById("player-style");
  if (!style) return;
  document.getElementById("words-style").remove();
  document.head.append(h("style", {}, style.textContent));
}

function key(event, { player, live, lecture, help }) {
  // For a frame, a dialog that was closed keeps the focus: a key pressed then is for the page.
  const typing = event.target.closest?.("textarea, select, input:not([type=range]), dialog[open]");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || !player.recording) return;
  const pressing = event.target.closest?.("button, summary, [role=button]");
  const acts = {
    ArrowRight: () => player.step(1), ArrowLeft: () => player.step(-1),
    Home: () => player.seek(0), End: () => player.seek(player.clock.total),
    "[": () => player.faster(-1), "]": () => player.faster(1),
    p: () => player.predict.ask(), l: lecture, "?": () => help.showModal(),
    Escape: () => document.body.classList.remove("lecture"),
    ...(pressing ? {} : { " ": () => player.toggle() }),
    ...(live ? { k: () => live.kill(), d: () => live.drop(), z: () => live.undo() } : {}),
  };
  const act = acts[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!act) return;
  event.preventDefault();
  act();
}

const { player, live, recording } = build();
if (live) live.start();
else if (recording) {
  // The page of a run that went wrong opens where it did.
  const proof = recording.verdict.findings.flatMap((it) => it.evidence).find((it) => it.event >= 0);
  player.load(recording, { event: proof ? proof.event : null });
  if (location.hash.length > 1) decoded(location.hash.slice(1)).then((place) => { if (Number.isInteger(place?.e)) player.seekEvent(place.e); });
}
if (document.documentElement.dataset.lecture) document.body.classList.add("lecture");
globalThis.fanin = { player, live };
