// Search: words, pictures and stretches of video in; moments out, or the word that there are none.

import { address, ask, careful, clock, h, hovers, many, moving, say, toast } from "./dom.js";
import { openPlayer } from "./player.js";

const FILTERS = [
  ["folder", "Folder", "text", "holidays/2019"],
  ["since", "From day", "date", ""],
  ["until", "To day", "date", ""],
  ["min_seconds", "Seconds, at least", "number", "0"],
  ["max_seconds", "Seconds, at most", "number", ""],
  ["language", "Language", "text", "en"],
  ["licence", "Licence", "text", "CC-BY"],
  ["where", "Scores", "text", "motion_score>=0.2"],
];
const EXPORTS = [["csv", "CSV table"], ["edl", "EDL for editors"], ["ffmpeg", "ffmpeg script"]];

const FILMS = 12;

let picture = null; // a pasted or chosen file, which no address can hold

export async function searchPage(main, query) {
  const form = searchForm(query);
  const out = h("section", { "aria-label": "Results", class: "results" });
  main.replaceChildren(h("div", { class: "hero" }, h("h1", {}, "Find the moment"), form), out);
  const field = form.querySelector("input[type=search]");
  if (!query.toString() && !picture) field.focus();
  const paste = careful((event) => pasted(event));
  document.addEventListener("paste", paste);
  const drop = careful((event) => dropped(event));
  main.addEventListener("drop", drop);
  main.addEventListener("dragover", prevent);
  if (query.has("q") || query.has("like") || picture) await run(query, out);
  else await welcome(out);
  return () => {
    document.removeEventListener("paste", paste);
    main.removeEventListener("drop", drop);
    main.removeEventListener("dragover", prevent);
  };
}

const prevent = (event) => event.preventDefault();

function searchForm(query) {
  const given = FILTERS.filter(([name]) => query.has(name));
  const fields = FILTERS.map(([name, label, type, hint]) =>
    h("label", {}, h("span", {}, label),
      h("input", { name, type, placeholder: hint, value: query.get(name) ?? "", step: type === "number" ? "any" : null, min: type === "number" ? 0 : null })));
  const chooser = h("input", { type: "file", accept: "image/*,video/*", hidden: true, onchange: () => byFile(chooser.files[0]) });
  const like = query.has("like") && h("p", { class: "chip" }, `Like ${clock(Number(query.get("start")))}–${clock(Number(query.get("end")))} of a video `,
    h("a", { href: "#/search", "aria-label": "Search without the example" }, "×"));
  const shown = picture && h("p", { class: "chip" }, `Like ${picture.name || "a pasted picture"} `,
    h("button", { type: "button", class: "quiet", "aria-label": "Search without the picture", onclick: () => { picture = null; location.hash = "#/search"; reload(); } }, "×"));
  const form = h("form", { role: "search", onsubmit: (event) => { event.preventDefault(); picture = null; go(form); } },
    h("div", { class: "ask" },
      h("input", { type: "search", name: "q", value: query.get("q") ?? "", placeholder: "a dog catches a frisbee", "aria-label": "What to look for", autocomplete: "off", spellcheck: "false" }),
      h("button", { type: "button", class: "quiet", title: "Search by a picture or a clip; pasting and dropping work too", "aria-label": "Search by a picture or a clip", onclick: () => chooser.click() },
        h("svg", { viewBox: "0 0 24 24", width: 22, height: 22, "aria-hidden": "true" },
          h("rect", { x: 3, y: 5, width: 18, height: 14, rx: 3, fill: "none", stroke: "currentColor", "stroke-width": 1.7 }),
          h("circle", { cx: 9, cy: 10.5, r: 1.8, fill: "currentColor" }),
          h("path", { d: "M5 17l5-4 3 2.5 3-3 4 4.5", fill: "none", stroke: "currentColor", "stroke-width": 1.7 }))),
      h("button", { type: "submit" }, "Search")),
    chooser, like, shown,
    h("details", { class: "filters", open: given.length > 0 }, h("summary", {}, given.length ? `Filters (${given.length})` : "Filters"),
      h("div", { class: "fields" }, fields)));
  return form;
}

function reload() {
  window.dispatchEvent(new HashChangeEvent("hashchange"));
}

function go(form) {
  const values = Object.fromEntries([...new FormData(form)].filter(([name]) => name));
  const next = address("search", values);
  if (next === location.hash) reload();
  else location.hash = next;
}

function byFile(file) {
  if (!file) return;
  picture = file;
  if (location.hash === "#/search" || location.hash === "") reload();
  else location.hash = "#/search";
}

function pasted(event) {
  const file = [...(event.clipboardData?.files ?? [])].find((one) => /^(image|video)\//.test(one.type));
  if (file) {
    event.preventDefault();
    byFile(file);
  }
}

function dropped(event) {
  event.preventDefault();
  byFile(event.dataTransfer?.files[0]);
}

/** What the server is asked, from the address. */
export function bodyOf(query) {
  const number = (name) => (query.get(name) ? Number(query.get(name)) : undefined);
  const filters = { folder: query.get("folder") ?? "", since: query.get("since") ?? "", until: query.get("until") ?? "",
    language: query.get("language") ?? "", licence: query.get("licence") ?? "", min_seconds: number("min_seconds") ?? 0 };
  if (number("max_seconds") !== undefined) filters.max_seconds = number("max_seconds");
  if (query.get("where")) filters.where = query.get("where").split(",").map((rule) => rule.trim()).filter(Boolean);
  const body = { text: query.get("q") ?? "", filters };
  if (query.has("like")) body.like = { video: query.get("like"), start: number("start") ?? 0, end: number("end") ?? 0 };
  return body;
}

async function run(query, out) {
  out.replaceChildren(h("p", { class: "empty", "aria-busy": "true" }, "Looking…"));
  const body = bodyOf(query);
  let answer;
  try {
    if (picture) {
      const form = new FormData();
      form.append("file", picture, picture.name || "pasted.png");
      answer = await ask("/search/example", form);
    } else answer = await ask("/search", body);
  } catch (error) {
    out.replaceChildren(h("p", { class: "empty bad" }, error.message));
    return;
  }
  draw(answer, picture ? null : body, out);
}

function draw(answer, body, out) {
  const { hits, nearest } = answer;
  const took = `${(answer.seconds * 1000).toFixed(answer.seconds < 0.01 ? 1 : 0)} ms`;
  const told = hits.length
    ? `${many(hits.length, "moment")} of ${answer.moments.toLocaleString("en")}`
    : `Nothing relevant among ${many(answer.moments, "moment")}`;
  say(told);
  const tools = h("div", { class: "tools" }, hits.length && body ? EXPORTS.map(([form, name]) =>
    h("button", { type: "button", class: "small", onclick: careful(() => cutList(body, form)) }, name)) : [],
  body ? h("button", { type: "button", class: "small", onclick: share }, "Copy link") : null);
  const by = answer.by.length ? `by ${answer.by.join(" and ")}` : "";
  const scale = answer.calibrated ? "" : " · scores by rule of thumb";
  out.replaceChildren(
    h("div", { class: "result-head" }, h("h2", {}, told), h("p", { class: "muted" }, `${by} · ${took}${scale}`), tools),
    ...answer.notes.map((note) => h("p", { class: "note" }, note)),
    hits.length ? grid(hits, hits, body) : h("p", { class: "empty" }, "No moment is likely enough. Other words may help; the nearest moments are below."),
    nearest.length ? h("details", { class: "nearest", open: !hits.length }, h("summary", {}, `Nearest, below the cut-off (${nearest.length})`), grid(nearest, nearest, body)) : "",
  );
}

function grid(moments, all, body) {
  return h("div", { class: "grid" }, moments.map((hit, place) => card(hit, () => openPlayer(all, place, body))));
}

function card(hit, open) {
  const box = moving(hit);
  const percent = `${Math.round(hit.score * 100)} %`;
  const words = hit.why.words ?? [];
  const button = h("button", { type: "button", class: "card", onclick: open,
    "aria-label": `${hit.name}, ${clock(hit.start)} to ${clock(hit.end)}, ${percent}${hit.why.text ? `, ${hit.why.text}` : ""}` },
    box,
    h("span", { class: "score", "data-level": Math.ceil(hit.score * 4) }, percent),
    h("span", { class: "time" }, `${clock(hit.start)}–${clock(hit.end)}`),
    h("span", { class: "name" }, hit.name),
    h("span", { class: "why" }, marked(hit.why.text ?? "", words), hit.why.cosine !== undefined ? h("small", {}, ` cosine ${hit.why.cosine.toFixed(2)}`) : ""));
  hovers(button, box);
  return button;
}

/** Text with the words of the query marked. */
function marked(text, words) {
  if (!words.length) return [text];
  const stems = words.map((word) => word.toLowerCase().replace(/(ing|ed|es|s|e)$/u, "")).filter((stem) => stem.length > 1);
  return text.split(/(\s+)/u).map((part) =>
    stems.some((stem) => part.toLowerCase().startsWith(stem)) ? h("mark", {}, part) : part);
}

async function share() {
  try {
    await navigator.clipboard.writeText(location.href);
    toast("Link copied", false);
  } catch {
    toast(location.href, false);
  }
}

async function cutList(body, form) {
  const text = await ask(`/search/cutlist?format=${form}`, { ...body, nearest: false });
  const link = h("a", { href: URL.createObjectURL(new Blob([text])), download: `cuts.${form === "ffmpeg" ? "sh" : form}` });
  link.click();
  URL.revokeObjectURL(link.href);
}

async function welcome(out) {
  const status = await ask("/status");
  const examples = status.model === "viclip-tiny" && status.understands_text
    ? ["a red circle moves left", "a blue square turns", "a green star grows"] : [];
  out.replaceChildren(
    ...status.notes.map((note) => h("p", { class: "note" }, note)),
    h("p", { class: "empty" }, examples.length ? ["Try ", examples.map((text, at) => [at ? ", " : "", h("a", { href: address("search", { q: text }) }, text)]), ". "] : "",
      "Type what should be seen or said, paste a picture, or drop a clip here. ", h("kbd", {}, "?"), " shows the keys."));
  const videos = (await ask("/videos")).slice(0, FILMS).map((one) => ({ ...one, start: 0, end: one.seconds || 1 }));
  if (videos.length) out.append(h("h2", {}, "From the films"), h("div", { class: "grid" }, videos.map((one, at) => film(one, () => openPlayer(videos, at, null)))));
}

function film(one, open) {
  const box = moving(one);
  const card = h("button", { type: "button", class: "card", onclick: open, "aria-label": `${one.name}, ${clock(one.end)}` },
    box, h("span", { class: "time" }, clock(one.end)), h("span", { class: "name" }, one.title || one.name), h("span", { class: "why" }, many(one.moments, "moment")));
  hovers(card, box);
  return card;
}
