// The player: jumps to the moment, shows where else the film has what is asked for, searches by a marked stretch.

import { address, ask, careful, clock, h, toast } from "./dom.js";

const WIDTH = 1000, HEIGHT = 56;

/** moments: hits; at: which of them; body: the question, or null where it cannot be asked again. */
export function openPlayer(moments, at, body) {
  const dialog = document.getElementById("player");
  const moment = moments[at];
  const range = { start: moment.start, end: moment.end };
  const video = h("video", { controls: true, playsinline: true, preload: "metadata", "aria-label": moment.name });
  const line = h("div", { class: "timeline" });
  const marks = h("p", { class: "marks" });
  const move = (by) => moments[at + by] && openPlayer(moments, at + by, body);
  const actions = {
    n: () => move(1),
    p: () => move(-1),
    i: () => mark("start", video.currentTime),
    o: () => mark("end", video.currentTime),
    s: () => similar(moment, range),
    " ": () => (video.paused ? video.play() : video.pause()),
  };

  function mark(side, seconds) {
    range[side] = seconds;
    if (range.end <= range.start) range[side === "start" ? "end" : "start"] = side === "start" ? seconds + 1 : Math.max(0, seconds - 1);
    drawMarks();
  }

  function drawMarks() {
    marks.textContent = `Marked ${clock(range.start)} to ${clock(range.end)}`;
    line.querySelector(".marked")?.remove();
    const svg = line.querySelector("svg");
    if (svg) {
      const scale = WIDTH / svg.seconds;
      svg.append(h("rect", { class: "marked", x: range.start * scale, width: Math.max(2, (range.end - range.start) * scale), y: 0, height: HEIGHT }));
    }
  }

  play(video, moment);
  dialog.replaceChildren(
    h("div", { class: "dialog-head" },
      h("h2", { id: "player-title" }, moment.name),
      h("p", { class: "muted" }, `${clock(moment.start)}–${clock(moment.end)}${moment.score === undefined ? "" : ` · ${Math.round(moment.score * 100)} %`}`),
      h("button", { type: "button", class: "quiet", "aria-label": "Close", onclick: () => dialog.close() }, "×")),
    video, line,
    h("div", { class: "tools" },
      tool("Previous", "p", actions.p, at === 0), tool("Next", "n", actions.n, at === moments.length - 1),
      tool("Mark start", "i", actions.i), tool("Mark end", "o", actions.o), tool("More like this", "s", actions.s)),
    marks,
    moment.why?.text ? h("p", { class: "said" }, moment.why.text) : "",
    moment.path ? h("p", { class: "muted path" }, moment.path) : "",
  );
  dialog.onkeydown = (event) => {
    if (!actions[event.key] || event.target === video || event.ctrlKey || event.metaKey) return;
    if (event.key === " " && event.target.closest("button")) return;
    event.preventDefault();
    actions[event.key]();
  };
  dialog.onclose = () => { video.pause(); video.removeAttribute("src"); video.load(); };
  if (!dialog.open) dialog.showModal();
  careful(async () => {
    await drawTimeline(line, video, moment, body);
    drawMarks();
  })();
}

function tool(name, key, work, off = false) {
  return h("button", { type: "button", class: "small", onclick: work, disabled: off }, name, " ", h("kbd", { "aria-hidden": "true" }, key));
}

/** Play the source file; where the browser cannot, a stretch of it that was encoded again. */
function play(video, moment) {
  const base = `/videos/${encodeURIComponent(moment.video)}`;
  video.src = `${base}/file`;
  video.addEventListener("loadedmetadata", () => {
    video.currentTime = Math.max(0, moment.start);
    video.play().catch(() => {}); // browsers may want a gesture first
  }, { once: true });
  video.addEventListener("error", () => {
    const end = Math.min(moment.end, moment.start + 59);
    if (!video.getAttribute("src") || video.src.includes("/play?")) return;
    video.src = `${base}/play?start=${moment.start}&end=${end}`;
    video.addEventListener("error", () => video.getAttribute("src") && toast("This video does not play here."), { once: true });
  });
}

function similar(moment, { start, end }) {
  document.getElementById("player").close();
  location.hash = address("search", { like: moment.video, start: start.toFixed(2), end: end.toFixed(2) });
}

/** Scores of all moments of the film over time; a click goes there. */
async function drawTimeline(line, video, moment, body) {
  if (!body) return;
  const scored = await ask("/search/timeline", { ...body, video: moment.video });
  if (!scored.length) return;
  const seconds = Math.max(...scored.map((one) => one.end));
  const scale = WIDTH / seconds;
  const svg = h("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "slider", tabindex: 0,
    "aria-label": "Scores over time; arrows move", "aria-valuemin": 0, "aria-valuemax": Math.round(seconds), "aria-valuenow": Math.round(moment.start), "aria-valuetext": clock(moment.start) });
  svg.seconds = seconds;
  const cut = HEIGHT - 0.5 * (HEIGHT - 4);
  svg.append(h("line", { class: "cut", x1: 0, x2: WIDTH, y1: cut, y2: cut }));
  for (const one of [...scored].sort((a, b) => a.score - b.score)) {
    const tall = Math.max(1.5, one.score * (HEIGHT - 4));
    svg.append(h("rect", { class: one.score >= 0.5 ? "high" : "low", x: one.start * scale, y: HEIGHT - tall,
      width: Math.max(1, (one.end - one.start) * scale - 1), height: tall }));
  }
  const now = h("line", { class: "now", x1: 0, x2: 0, y1: 0, y2: HEIGHT });
  svg.append(now);
  const to = (second) => { video.currentTime = Math.min(Math.max(0, second), seconds); };
  svg.addEventListener("click", (event) => to(((event.clientX - svg.getBoundingClientRect().left) / svg.clientWidth) * seconds));
  svg.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1, PageDown: -10, PageUp: 10 }[event.key];
    if (by) {
      event.preventDefault();
      event.stopPropagation();
      to(video.currentTime + by);
    }
  });
  video.addEventListener("timeupdate", () => {
    const x = video.currentTime * scale;
    now.setAttribute("x1", x);
    now.setAttribute("x2", x);
    svg.setAttribute("aria-valuenow", Math.round(video.currentTime));
    svg.setAttribute("aria-valuetext", clock(video.currentTime));
  });
  line.replaceChildren(svg);
}
