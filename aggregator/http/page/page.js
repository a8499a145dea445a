// The page refreshes itself: it asks for itself and shows what comes, so that there is one rendering, the
// server's. The key is kept in the tab (sessionStorage) and sent as a header, never in an address.
(() => {
  "use strict";
  const REFRESH_MS = 10000, KEY = "fanin-key";
  const HEADER = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):\s*(\S.*)$/;
  const find = (query) => document.querySelector(query);
  const lists = {}; // by list: the token of the page that is shown
  let key = "", behindMs = 0, loading = null, sending = false;

  function keep(text) {
    key = text;
    try {
      if (text) sessionStorage.setItem(KEY, text); else sessionStorage.removeItem(KEY);
    } catch { /* storage is switched off: the key lasts as long as the page does */ }
  }
  function kept() {
    try { return sessionStorage.getItem(KEY) || ""; } catch { return ""; }
  }
  function credentials() {
    const headers = new Headers({ accept: "text/html" });
    if (!key) return headers;
    headers.set("x-functions-key", key);
    const named = HEADER.exec(key);
    if (named) headers.set(named[1], named[2]);
    return headers;
  }
  function say(text, tone) {
    const line = find("#said");
    line.textContent = text;
    line.className = "banner " + tone;
    line.hidden = !text;
  }

  // The same form as the server's `period`.
  function period(ms) {
    const s = Math.max(0, Math.floor(ms / 1000)), min = Math.floor(s / 60), h = Math.floor(min / 60);
    if (min < 1) return `${s} s`;
    if (h < 1) return `${min} min ${s % 60} s`;
    if (h < 24) return `${h} h ${min % 60} min`;
    return `${Math.floor(h / 24)} d ${h % 24} h`;
  }
  function count() {
    const now = Date.now() - behindMs;
    for (const it of document.querySelectorAll("[data-until]")) {
      const left = it.dataset.until - now;
      it.textContent = left > 0 ? it.dataset.before + period(left) : "due";
    }
    for (const it of document.querySelectorAll("[data-since]")) it.textContent = period(now - it.dataset.since);
    for (const it of document.querySelectorAll("progress")) it.value = Math.max(0, now - it.dataset.from);
  }

  function settle() {
    const page = find("#page");
    if (page.dataset.now) behindMs = Date.now() - page.dataset.now;
    for (const it of document.querySelectorAll(".again")) it.hidden = false;
    if (find("#forget")) find("#forget").hidden = !key;
    count();
  }
  function show(html) {
    const fresh = new DOMParser().parseFromString(html, "text/html").querySelector("#page");
    if (!fresh) throw new Error("this is not the page");
    const focused = document.activeElement && document.activeElement.id;
    for (const part of ["header", "main"]) find(part).replaceWith(fresh.querySelector(part));
    for (const name of ["now", "locked"]) {
      if (name in fresh.dataset) find("#page").dataset[name] = fresh.dataset[name];
      else delete find("#page").dataset[name];
    }
    settle();
    if (focused && document.getElementById(focused)) document.getElementById(focused).focus({ preventScroll: true });
    else if (find("#code")) find("#code").focus();
  }

  async function load() {
    if (loading) loading.abort();
    const mine = loading = new AbortController();
    const limit = setTimeout(() => mine.abort(), 30000);
    try {
      const response = await fetch("./?" + new URLSearchParams(lists), { headers: credentials(), cache: "no-store", signal: mine.signal });
      const html = await response.text();
      if (loading !== mine) return;
      if (!(response.headers.get("content-type") || "").startsWith("text/html")) throw new Error(`status ${response.status}`);
      if (response.status === 401) keep("");
      show(html);
      if (find("#said").dataset.kind === "lost") { say("", ""); find("#said").dataset.kind = ""; }
    } catch (error) {
      if (loading !== mine) return; // a newer one has begun
      const shown = find("#as-of");
      say(`The service cannot be asked just now (${error.name === "AbortError" ? "no answer within 30 s" : error.message}).`
        + (shown ? ` What is shown is as of ${shown.textContent}.` : " It is tried again every 10 s."), "bad");
      find("#said").dataset.kind = "lost";
    } finally {
      clearTimeout(limit);
      if (loading === mine) loading = null;
    }
  }

  async function retry(button) {
    const { target, operation } = button.dataset;
    const query = new URLSearchParams(operation === undefined ? { target } : { target, operation });
    button.disabled = sending = true;
    try {
      const headers = credentials();
      headers.set("accept", "application/json");
      const response = await fetch("./outbox/retry?" + query, { method: "POST", headers });
      if (response.status === 401) { keep(""); await load(); return; }
      const answer = await response.json();
      if (!response.ok) throw new Error(answer.message || `status ${response.status}`);
      const number = answer.retried;
      say(number ? `${number} notification${number === 1 ? " is" : "s are"} sent again to ${target}.` : "It is no dead letter any more.", number ? "good" : "");
    } catch (error) {
      say(`Not sent again: ${error.message}`, "bad");
    }
    find("#said").dataset.kind = "retry";
    button.disabled = sending = false;
    await load();
  }

  document.addEventListener("submit", (event) => {
    event.preventDefault();
    const form = event.target, list = form.dataset.list;
    if (form.id === "lock") {
      keep(form.elements.code.value.trim());
      try { credentials(); } catch { keep(""); say("This key cannot be sent: it has signs that no key has.", "bad"); return; }
      say("", "");
    } else {
      delete lists[list];
      if (form.elements[list]) lists[list] = form.elements[list].value;
    }
    load().then(() => { if (list && find("#" + list)) find("#" + list).scrollIntoView(); });
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.id === "forget") { keep(""); for (const list in lists) delete lists[list]; say("", ""); load(); }
    if (button.classList.contains("again") && !sending) retry(button);
  });
  document.addEventListener("visibilitychange", () => { if (!document.hidden && !("locked" in find("#page").dataset)) load(); });
  setInterval(count, 1000);
  setInterval(() => {
    if (!document.hidden && !loading && !sending && (key || !("locked" in find("#page").dataset))) load();
  }, REFRESH_MS);

  // A key in the address goes into the tab, and out of the address, which histories and screens show.
  const address = new URL(location.href), names = [...address.searchParams.keys()].filter((it) => it.toLowerCase() === "code");
  key = kept();
  if (names.length) {
    if (!("locked" in find("#page").dataset)) keep(address.searchParams.get(names[0]));
    for (const name of names) address.searchParams.delete(name);
    history.replaceState(null, "", address);
  }
  settle();
  if (key && "locked" in find("#page").dataset) load();
})();
