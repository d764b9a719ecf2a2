// Zero-shot classification: own labels over the time of one video.

import { address, ask, careful, clock, h, many, say } from "./dom.js";
import { openPlayer } from "./player.js";

export async function classifyPage(main, query) {
  const videos = await ask("/videos");
  const out = h("section", { "aria-label": "Answer" });
  const options = videos.map((one) => h("option", { value: one.video, selected: one.video === query.get("video") }, one.name));
  const form = h("form", { class: "panel fields", onsubmit: (event) => {
    event.preventDefault();
    location.hash = address("classify", Object.fromEntries(new FormData(form)));
  } },
  h("label", {}, h("span", {}, "Video"), h("select", { name: "video", required: true }, options)),
  h("label", { class: "wide" }, h("span", {}, "Labels, with commas between them"),
    h("input", { name: "labels", required: true, value: query.get("labels") ?? "", placeholder: "a red circle, a blue square, nothing moves", autocomplete: "off" })),
  h("label", {}, h("span", {}, "Seconds of one stretch"), h("input", { name: "seconds", type: "number", min: 0.2, step: "any", value: query.get("seconds") ?? "2" })),
  h("button", { type: "submit" }, "Classify"));
  main.replaceChildren(h("h1", {}, "What does a video show?"),
    h("p", { class: "muted" }, "Give your own labels; the network says which of them fits each stretch of the video."), form, out);
  if (query.get("labels") && query.get("video")) await run(query, videos, out);
}

async function run(query, videos, out) {
  out.replaceChildren(h("p", { class: "empty", "aria-busy": "true" }, "Looking at the video…"));
  const labels = query.get("labels").split(",").map((label) => label.trim()).filter(Boolean);
  const video = videos.find((one) => one.video === query.get("video"));
  let answer;
  try {
    answer = await ask("/classify", { video: query.get("video"), labels, seconds: Number(query.get("seconds")) || 2 });
  } catch (error) {
    out.replaceChildren(h("p", { class: "empty bad" }, error.message));
    return;
  }
  const parts = answer.segments ?? [];
  const shares = (top) => Object.fromEntries(top.map((one) => [one.label, one.probability]));
  const whole = shares(answer.top);
  say(`${answer.top[0].label}, ${Math.round(answer.top[0].probability * 100)} percent; ${many(parts.length, "stretch").replace("stretchs", "stretches")}`);
  const open = (part) => openPlayer([{ video: query.get("video"), name: video?.name ?? "", start: part.start, end: part.end }], 0, null);
  const rows = labels.map((label) => h("tr", {}, h("th", { scope: "row" }, label),
    h("td", { class: "number" }, `${Math.round((whole[label] ?? 0) * 100)} %`),
    parts.map((part) => {
      const share = shares(part.top)[label] ?? 0;
      const cell = h("button", { type: "button", class: "cell", title: `${clock(part.start)}: ${Math.round(share * 100)} %`,
        "aria-label": `${label} at ${clock(part.start)}: ${Math.round(share * 100)} percent`, onclick: careful(() => open(part)) });
      cell.style.setProperty("--share", share);
      return h("td", { class: part.top[0].label === label ? "first" : "" }, cell);
    })));
  out.replaceChildren(h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Labels over time" }, h("table", { class: "heat" },
    h("caption", {}, `${video?.name ?? ""}: the stronger the colour, the likelier; a click plays the stretch`),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Label"), h("th", { scope: "col", class: "number" }, "Whole"),
      parts.map((part, at) => h("th", { scope: "col" }, at % Math.ceil(parts.length / 8) ? h("span", { class: "only-read" }, clock(part.start)) : clock(part.start))))),
    h("tbody", {}, rows))));
}
