// Which page is shown, keys that work everywhere, light and dark.

import { ask, careful, h, many, say } from "./dom.js";
import { browsePage } from "./browse.js";
import { classifyPage } from "./classify.js";
import { jobsPage, modelsPage } from "./work.js";
import { searchPage } from "./search.js";

const PAGES = { search: searchPage, browse: browsePage, classify: classifyPage, jobs: jobsPage, models: modelsPage };
const KEYS = [
  ["/", "go to the search field"],
  ["← → ↑ ↓", "from card to card"],
  ["Enter", "open what is focused"],
  ["Space", "play and stop"],
  ["n  p", "next and previous hit in the player"],
  ["i  o", "mark start and end of a stretch"],
  ["s", "search by the marked stretch"],
  ["k  d  c  x  u", "keep, drop, bad caption, bad cut or unsure: verdict on the focused clip"],
  ["t", "light or dark"],
  ["?", "this list"],
  ["Esc", "close"],
];

let leave = () => {};

async function show() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const name = PAGES[path] ? path : "search";
  const main = document.getElementById("main");
  leave();
  document.querySelectorAll("dialog[open]").forEach((one) => one.close());
  for (const link of document.querySelectorAll("nav a")) {
    if (link.getAttribute("href") === `#/${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${name.charAt(0).toUpperCase()}${name.slice(1)} · internvideo`;
  leave = (await careful(PAGES[name])(main, new URLSearchParams(query))) ?? (() => {});
}

function theme(next) {
  const dark = window.matchMedia("(prefers-color-scheme: dark)").matches;
  const now = document.documentElement.dataset.theme ?? (dark ? "dark" : "light");
  const chosen = next ?? (now === "dark" ? "light" : "dark");
  document.documentElement.dataset.theme = chosen;
  try {
    localStorage.setItem("theme", chosen);
  } catch { /* a browser that keeps nothing */ }
}

function keys(event) {
  const typing = event.target.closest("input, textarea, select, [contenteditable]");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/") {
    event.preventDefault();
    const field = document.querySelector("input[type=search]");
    if (field) field.focus();
    else location.hash = "#/search";
  } else if (event.key === "t") theme();
  else if (event.key === "?") help();
  else if (event.key.startsWith("Arrow")) step(event);
}

/** Arrows go from card to card in a grid. */
function step(event) {
  const card = event.target.closest(".grid .card");
  if (!card) return;
  const cards = [...card.closest(".grid").querySelectorAll(".card")];
  const columns = cards.filter((one) => one.offsetTop === cards[0].offsetTop).length;
  const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
  const next = cards[cards.indexOf(card) + by];
  if (next) {
    event.preventDefault();
    next.focus();
  }
}

function help() {
  const dialog = document.getElementById("help");
  const rows = KEYS.map(([key, what]) => h("div", {}, h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)));
  dialog.replaceChildren(
    h("div", { class: "dialog-head" }, h("h2", { id: "help-title" }, "Keys"),
      h("button", { type: "button", class: "quiet", "aria-label": "Close", onclick: () => dialog.close() }, "×")),
    h("dl", { class: "keys" }, rows),
  );
  dialog.showModal();
}

async function begin() {
  try {
    const kept = localStorage.getItem("theme");
    if (kept) theme(kept);
  } catch { /* a browser that keeps nothing */ }
  if (new URLSearchParams(location.search).has("token")) history.replaceState(null, "", `/${location.hash}`);
  document.getElementById("theme").addEventListener("click", () => theme());
  document.addEventListener("keydown", keys);
  window.addEventListener("hashchange", show);
  document.querySelectorAll("dialog").forEach((dialog) =>
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close()));
  await show();
  const status = await careful(ask)("/status");
  if (!status) return;
  const told = `${status.name}: ${many(status.videos, "video")}, ${many(status.moments, "moment")}`;
  document.getElementById("where").textContent = `${told} · ${status.model ?? "words only"}`;
  say(told);
}

begin();
