// The dataset: how scores are spread, what thresholds keep, clips at the border, groups, failures, verdicts.

import { address, ask, careful, clock, h, hovers, many, moving, say, short, title } from "./dom.js";
import { openPlayer } from "./player.js";

const VERDICTS = { k: "keep", d: "drop", c: "bad caption", x: "bad cut", u: "unsure" };
const PAGE = 24;

export async function browsePage(main, query) {
  const view = query.get("view");
  const about = await ask(`/clips/overview${view ? `?view=${encodeURIComponent(view)}` : ""}`);
  const state = { view, ranges: new Map(), sort: query.get("sort") ?? "", down: false, first: 0, border: null };
  const live = h("p", { class: "live", role: "status" });
  const shown = h("div", {});
  const border = h("div", { class: "border" });
  const charts = about.columns.map((column) => chart(column, state, () => changed(column.name)));
  const sorter = h("select", { "aria-label": "Order", onchange: () => { [state.sort, state.down] = [sorter.value.replace(/^-/, ""), sorter.value.startsWith("-")]; state.first = 0; list(); } },
    h("option", { value: "" }, "in order of the films"),
    about.columns.flatMap(({ name }) => [h("option", { value: name }, `${title(name)}, least first`), h("option", { value: `-${name}` }, `${title(name)}, most first`)]));

  const body = () => ({ view, ranges: [...state.ranges.values()] });
  let asked = 0;

  const changed = careful(async (column) => {
    state.first = 0;
    const mine = ++asked;
    const found = await ask("/clips/count", { ...body(), border: column });
    if (mine !== asked) return; // a later question is under way
    tell(found.count, found.of);
    charts.forEach((one) => found.bars[one.column.name] && one.draw(found.bars[one.column.name]));
    border.replaceChildren(found.border.length
      ? h("div", {}, h("h3", {}, `At the border of ${title(column)}`), h("div", { class: "grid narrow" }, found.border.map((clip) => card(clip, `${short(clip.value)}`))))
      : "");
    await list();
  });

  function tell(count, of) {
    live.replaceChildren(h("strong", {}, count.toLocaleString("en")), ` of ${many(of, "clip")}`);
    say(`${count} of ${of} clips`);
  }

  const list = careful(async () => {
    const found = await ask("/clips", { ...body(), sort: state.sort, down: state.down, first: state.first, count: PAGE });
    const last = Math.min(state.first + PAGE, found.count);
    const turn = (by) => () => { state.first += by; list(); };
    shown.replaceChildren(
      h("div", { class: "grid" }, found.clips.map((clip) => card(clip))),
      found.count ? h("div", { class: "tools turn" },
        h("button", { type: "button", class: "small", disabled: state.first === 0, onclick: turn(-PAGE) }, "Back"),
        h("span", { class: "muted" }, `${state.first + 1}–${last} of ${found.count.toLocaleString("en")}`),
        h("button", { type: "button", class: "small", disabled: last >= found.count, onclick: turn(PAGE) }, "On"))
        : h("p", { class: "empty" }, "No clip is within these ranges."));
  });

  function card(clip, more = "") {
    const box = moving(clip);
    const mark = h("span", { class: "verdict" }, clip.verdict);
    const one = h("button", { type: "button", class: `card ${clip.kept ? "" : "dropped"}`, onclick: careful(() => openClip(clip, view)),
      "aria-label": `${clip.name}, ${clock(clip.start)}, ${clip.kept ? "kept" : `dropped: ${clip.dropped_by}`}${clip.verdict ? `, judged ${clip.verdict}` : ""}` },
      box, mark, h("span", { class: "time" }, `${clock(clip.start)}–${clock(clip.end)}`), h("span", { class: "name" }, clip.name),
      h("span", { class: "why" }, more ? h("strong", {}, more, " ") : "", clip.caption || (clip.kept ? "" : clip.dropped_by)));
    hovers(one, box);
    one.addEventListener("keydown", careful(async (event) => {
      if (!VERDICTS[event.key] || event.ctrlKey || event.metaKey) return;
      const judged = await ask("/verdicts", { clip: clip.clip, verdict: VERDICTS[event.key], view });
      mark.textContent = judged.verdict;
      say(`${clip.name} ${clock(clip.start)}: ${judged.verdict}`);
    }));
    return one;
  }

  const views = h("select", { "aria-label": "View", onchange: () => (location.hash = address("browse", { view: views.value })) },
    about.views.map((name) => h("option", { value: name, selected: name === about.view }, name)));
  main.replaceChildren(
    h("div", { class: "page-head" }, h("h1", {}, "Browse"), about.views.length ? h("label", { class: "inline" }, "View ", views) : "", live),
    h("p", { class: "muted" }, [many(about.files, "file"), about.copies ? many(about.copies, "exact copy").replace("copys", "copies") : "", many(about.videos, "video"), many(about.clips, "clip"),
      `${about.kept.toLocaleString("en")} in the view`, many(about.captions, "caption")].filter(Boolean).join(" · ")),
    funnel(about.funnel),
    section("Scores", about.columns.length > 1, h("p", { class: "muted" }, "Move the ends of a range: counts and clips follow. The coloured bars are within all ranges."),
      h("div", { class: "charts" }, charts.map((one) => one.element)), border),
    section("Clips", true, h("div", { class: "tools" }, h("label", { class: "inline" }, "Order ", sorter),
      h("span", { class: "muted" }, "verdict on the focused clip: ", Object.entries(VERDICTS).map(([key, word]) => [h("kbd", {}, key), ` ${word} `]).flat())), shown),
    about.groups ? await groups(view, about.groups, card) : "",
    failures(about.failures),
    about.facts.length ? section("Facts", false, h("div", { class: "facts" }, about.facts.map((fact) => h("div", {}, h("h3", {}, fact.title),
      h("dl", {}, fact.rows.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])))))) : "",
  );
  tell(about.clips, about.clips);
  await list();
}

function section(name, open, ...children) {
  return h("details", { class: "section", open }, h("summary", {}, h("h2", {}, name)), children);
}

function funnel(steps) {
  if (!steps.length) return "";
  const most = steps[0].came;
  return section("Funnel", true, h("ol", { class: "funnel" }, steps.map((step) => {
    const bar = h("span", { class: "level" });
    bar.style.setProperty("--share", most ? step.kept / most : 0);
    const lost = step.came - step.kept;
    return h("li", {}, h("span", {}, step.rule), bar, h("span", { class: "number" }, step.kept.toLocaleString("en")),
      h("span", { class: "muted" }, lost ? `−${lost.toLocaleString("en")}${step.unknown ? `, ${step.unknown} unknown` : ""}` : ""));
  })));
}

/** A histogram with a range of two sliders under it. */
function chart(column, state, changed) {
  const { edges } = column;
  const [low, high] = [edges[0], edges.at(-1)];
  const picture = h("div", { class: "bars" });
  const value = h("output", {}, "all");
  const slider = (side, at) => h("input", { type: "range", min: 0, max: 200, value: at, "aria-label": `${title(column.name)}, ${side}`, "aria-valuetext": "no bound", oninput: move });
  const ends = { low: slider("least", 0), high: slider("most", 200) };
  let timer;

  function move(event) {
    const at = { low: Number(ends.low.value), high: Number(ends.high.value) };
    if (at.low > at.high) {
      event.target.value = event.target === ends.low ? at.high : at.low;
      return;
    }
    const point = (place) => low + ((high - low) * place) / 200;
    const range = { column: column.name };
    if (at.low > 0) range.low = point(at.low);
    if (at.high < 200) range.high = point(at.high);
    if (range.low === undefined && range.high === undefined) state.ranges.delete(column.name);
    else state.ranges.set(column.name, range);
    value.textContent = [range.low !== undefined ? `≥ ${short(range.low)}` : "", range.high !== undefined ? `≤ ${short(range.high)}` : ""].filter(Boolean).join(", ") || "all";
    ends.low.setAttribute("aria-valuetext", range.low === undefined ? "no bound" : short(range.low));
    ends.high.setAttribute("aria-valuetext", range.high === undefined ? "no bound" : short(range.high));
    clearTimeout(timer);
    timer = setTimeout(changed, 60);
  }

  function draw(bars) {
    const tallest = Math.max(1, ...bars.inside.map((count, at) => count + bars.outside[at]));
    const wide = 300 / bars.inside.length;
    const svg = h("svg", { viewBox: "0 0 300 80", preserveAspectRatio: "none", role: "img", "aria-label": `${title(column.name)}: ${short(column.lowest)} to ${short(column.highest)}` });
    bars.inside.forEach((count, at) => {
      const [inside, outside] = [(count * 76) / tallest, (bars.outside[at] * 76) / tallest];
      const say = `${short(edges[at])} to ${short(edges[at + 1])}: ${count} in, ${bars.outside[at]} out`;
      svg.append(h("g", {}, h("title", {}, say),
        h("rect", { class: "out", x: at * wide + 0.5, width: wide - 1, y: 80 - inside - outside, height: outside }),
        h("rect", { class: "in", x: at * wide + 0.5, width: wide - 1, y: 80 - inside, height: inside })));
    });
    for (const { value: mark } of column.thresholds) {
      const x = (300 * (mark - low)) / (high - low || 1);
      svg.append(h("line", { class: "threshold", x1: x, x2: x, y1: 0, y2: 80 }));
    }
    picture.replaceChildren(svg);
  }

  draw(column);
  const rules = column.thresholds.map(({ rule }) => rule).join(", ");
  const element = h("fieldset", { class: "chart" }, h("legend", {}, title(column.name)), value,
    picture, h("div", { class: "ends" }, ends.low, ends.high),
    h("p", { class: "axis" }, h("span", {}, short(low)), h("span", {}, rules), h("span", {}, short(high))));
  return { element, draw, column };
}

async function groups(view, count, card) {
  const box = h("div", {});
  const show = careful(async () => {
    if (box.children.length) return;
    const found = await ask(`/clips/groups?count=50${view ? `&view=${encodeURIComponent(view)}` : ""}`);
    box.replaceChildren(...found.groups.map((group, at) => h("div", { class: "group" }, h("h3", {}, `Group ${at + 1}`),
      h("div", { class: "grid narrow" }, group.map((clip) => card(clip, clip.keeper ? "kept copy" : clip.similarity === null ? "copy" : `${Math.round(clip.similarity * 100)} % alike`))))));
  });
  const element = section(`Near-duplicates (${count})`, false, box);
  element.addEventListener("toggle", show);
  return element;
}

function failures(list) {
  if (!list.length) return "";
  return section(`Failures (${list.length})`, false, h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Failures" }, h("table", {},
    h("thead", {}, h("tr", {}, ["File", "Kind", "What happened", "What helps"].map((head) => h("th", { scope: "col" }, head)))),
    h("tbody", {}, list.map((one) => h("tr", {}, h("th", { scope: "row" }, one.name), h("td", {}, one.kind), h("td", {}, one.message), h("td", {}, one.advice)))))));
}

async function openClip(clip, view) {
  const found = await ask(`/clips/${encodeURIComponent(clip.clip)}${view ? `?view=${encodeURIComponent(view)}` : ""}`);
  const dialog = document.getElementById("clip");
  const scales = [...new Set(found.captions.map((one) => one.scale))];
  const judge = (word) => h("button", { type: "button", class: "small", "aria-pressed": found.verdict === word, onclick: careful(async (event) => {
    await ask("/verdicts", { clip: clip.clip, verdict: word, view });
    event.target.parentElement.querySelectorAll("[aria-pressed]").forEach((one) => one.setAttribute("aria-pressed", one === event.target));
    say(`judged: ${word}`);
  }) }, word);
  dialog.replaceChildren(
    h("div", { class: "dialog-head" }, h("h2", { id: "clip-title" }, found.name), h("p", { class: "muted" }, `${clock(found.start)}–${clock(found.end)} · ${found.kept ? "kept" : `dropped: ${found.dropped_by}`}`),
      h("button", { type: "button", class: "quiet", "aria-label": "Close", onclick: () => dialog.close() }, "×")),
    h("div", { class: "tools" }, h("button", { type: "button", class: "small", onclick: () => { dialog.close(); openPlayer([{ ...found }], 0, null); } }, "Play"), Object.values(VERDICTS).map(judge)),
    h("div", { class: "captions" }, scales.map((scale) => h("div", {}, h("h3", {}, scale), found.captions.filter((one) => one.scale === scale).map((one) => h("p", {}, one.text))))),
    scales.length ? "" : h("p", { class: "muted" }, "No captions."),
    h("dl", { class: "scores" }, Object.entries(found.scores).map(([name, value]) => h("div", {}, h("dt", {}, title(name)), h("dd", { class: "number" }, short(value))))));
  dialog.showModal();
}
