// Elements, and the words for instants and durations. No text of a run ever becomes markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "text") element.textContent = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function s(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

export function button(label, onclick, attributes = {}) {
  return h("button", { type: "button", onclick, ...attributes }, label);
}

const UNITS = [["d", 86400000], ["h", 3600000], ["m", 60000]];

export function duration(ms) {
  if (ms < 1000) return `${Math.round(ms)}ms`;
  let rest = Math.round(ms), text = "";
  for (const [unit, size] of UNITS) {
    const count = Math.floor(rest / size);
    if (count) text += `${count}${unit}`;
    rest -= count * size;
  }
  if (rest || !text) text += `${+(rest / 1000).toFixed(3)}s`;
  return text;
}

// A duration without the digits that only a machine reads: 1m59s, 6d23h.
export function roughly(ms) {
  if (ms < 10000) return duration(Math.round(ms / 100) * 100);
  if (ms < 3600000) return duration(Math.round(ms / 1000) * 1000);
  return duration(Math.round(ms / 60000) * 60000);
}

// An instant as the reports write it: +1m59.002s, +2h05m, +30d.
export function instant(ms) {
  let rest = Math.max(0, Math.round(ms)), text = "";
  for (const [unit, size] of UNITS) {
    const count = Math.floor(rest / size);
    if (text) text += `${String(count).padStart(2, "0")}${unit}`;
    else if (count) text = `${count}${unit}`;
    rest -= count * size;
  }
  const whole = Math.floor(rest / 1000), part = rest % 1000;
  text += text ? String(whole).padStart(2, "0") : String(whole);
  text += (part ? `.${String(part).padStart(3, "0")}`.replace(/0+$/, "") : "") + "s";
  return `+${ms < 3600000 ? text : text.replace(/([a-z])(?:00[hm])*(?:00s)$/, "$1")}`;
}

export const REDUCED = matchMedia("(prefers-reduced-motion: reduce)");
