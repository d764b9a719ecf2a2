// Elements, requests and words that all pages share. No library, no build step.

/** An element: h("a", {href: "#", onclick}, "text", child). Attributes that are null or false are left out. */
export function h(tag, attributes = {}, ...children) {
  const svg = SVG.has(tag);
  const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (name === "value" && "value" in element) element.value = value;
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}
const SVG = new Set(["svg", "rect", "path", "line", "g", "circle", "text", "title"]);

/** A request that gives JSON, or throws an Error with the server's words. */
export async function ask(path, body, method) {
  const isForm = body instanceof FormData || body instanceof Blob;
  const options = { method: method ?? (body === undefined ? "GET" : "POST") };
  if (body !== undefined) options.body = isForm ? body : JSON.stringify(body);
  if (body !== undefined && !isForm) options.headers = { "content-type": "application/json" };
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The server does not answer. Is it still running?");
  }
  const found = answer.headers.get("content-type")?.includes("json") ? await answer.json() : await answer.text();
  if (!answer.ok) throw new Error(found.problem ? sentence(found) : `The server says ${answer.status}.`);
  return found;
}

function sentence({ problem, hint }) {
  const words = problem.charAt(0).toUpperCase() + problem.slice(1);
  return hint ? `${words}. ${hint.charAt(0).toUpperCase() + hint.slice(1)}.` : `${words}.`;
}

/** 75.3 -> 1:15.3 */
export function clock(seconds) {
  const tenths = Math.round(Math.abs(seconds) * 10);
  const [hours, minutes, rest] = [Math.floor(tenths / 36000), Math.floor(tenths / 600) % 60, (tenths % 600) / 10];
  const tail = rest.toFixed(1).padStart(4, "0");
  const text = hours ? `${hours}:${String(minutes).padStart(2, "0")}:${tail}` : `${minutes}:${tail}`;
  return seconds < 0 && tenths ? `−${text}` : text;
}

/** A number as people read it: about three significant digits. */
export function short(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  if (size >= 100) return Math.round(value).toLocaleString("en");
  return size && size < 0.001 ? value.toExponential(1) : String(Number(value.toPrecision(3)));
}

export const many = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
export const title = (column) => column.replaceAll("_", " ");

/** For screen readers: said when what is shown has changed. */
export function say(text) {
  document.getElementById("said").textContent = text;
}

/** Something went wrong, or was done: shown for a while. */
export function toast(text, bad = true) {
  const box = document.getElementById("toast");
  box.textContent = text;
  box.classList.toggle("bad", bad);
  box.hidden = false;
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => (box.hidden = true), 7000);
}

/** Wraps an event handler: errors are shown, not lost. */
export const careful = (work) => async (...given) => {
  try {
    return await work(...given);
  } catch (error) {
    toast(error.message);
    return undefined;
  }
};

/** The address of a page: #/search?q=red */
export function address(page, values = {}) {
  const query = new URLSearchParams(Object.entries(values).filter(([, v]) => v !== "" && v !== null && v !== undefined));
  return `#/${page}${[...query].length ? `?${query}` : ""}`;
}

export const frameOf = (video, seconds) => `/videos/${encodeURIComponent(video)}/frame?t=${seconds.toFixed(2)}`;
export const previewOf = (m) => `/videos/${encodeURIComponent(m.video)}/preview?start=${m.start.toFixed(2)}&end=${m.end.toFixed(2)}`;

/** A picture of a moment that moves while the pointer or the focus is on its card. */
export function moving(moment, alt = "") {
  const still = frameOf(moment.video, (moment.start + moment.end) / 2);
  const image = h("img", { src: still, alt, loading: "lazy", decoding: "async", width: 208, height: 117 });
  image.addEventListener("error", () => image.closest(".still")?.classList.add("broken"), { once: true });
  const box = h("span", { class: "still" }, image);
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
  box.play = (on) => !calm.matches && (image.src = on ? previewOf(moment) : still);
  return box;
}

export function hovers(card, box) {
  card.addEventListener("pointerenter", () => box.play(true));
  card.addEventListener("pointerleave", () => box.play(false));
  card.addEventListener("focus", () => box.play(true));
  card.addEventListener("blur", () => box.play(false));
}
