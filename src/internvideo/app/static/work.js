// Background work with its progress, new files, and the networks with their licences.

import { ask, careful, h, many, say, toast } from "./dom.js";

export async function jobsPage(main) {
  const list = h("ul", { class: "jobs" });
  const follows = new Map();
  const chooser = h("input", { type: "file", accept: "video/*", multiple: true, hidden: true, onchange: () => upload([...chooser.files]) });
  const zone = h("div", { class: "drop panel" }, h("p", {}, "Drop videos here, or "),
    h("button", { type: "button", onclick: () => chooser.click() }, "choose files"), chooser,
    h("p", { class: "muted" }, "They are copied beside the dataset and indexed."));

  const upload = careful(async (files) => {
    for (const file of files) {
      toast(`Copying ${file.name}…`, false);
      const { job } = await ask(`/videos?name=${encodeURIComponent(file.name)}`, file);
      add(job);
    }
  });

  function add(job) {
    const item = follows.get(job.id)?.item ?? list.insertBefore(h("li", { class: "panel" }), list.firstChild);
    draw(item, job);
    if (["waiting", "running"].includes(job.state) && !follows.has(job.id)) {
      const source = new EventSource(`/jobs/${job.id}/events`);
      source.onmessage = (event) => {
        const row = JSON.parse(event.data);
        draw(item, row);
        if (!["waiting", "running"].includes(row.state)) {
          source.close();
          say(`${row.title}: ${row.state}`);
        }
      };
      follows.set(job.id, { item, source });
    }
  }

  zone.addEventListener("dragover", (event) => event.preventDefault());
  zone.addEventListener("drop", (event) => { event.preventDefault(); upload([...event.dataTransfer.files]); });
  main.replaceChildren(h("div", { class: "page-head" }, h("h1", {}, "Jobs"),
    h("button", { type: "button", onclick: careful(async () => add(await ask("/jobs", {}))) }, "Look for new files")), zone, list);
  const jobs = await ask("/jobs");
  jobs.reverse().forEach(add);
  if (!jobs.length) list.append(h("li", { class: "empty" }, "Nothing has run since the server started."));
  return () => follows.forEach(({ source }) => source.close());
}

function draw(item, job) {
  item.closest("ul").querySelector(".empty")?.remove();
  const busy = ["waiting", "running"].includes(job.state);
  const share = job.due ? `${job.done} of ${job.due}` : "";
  item.replaceChildren(
    h("div", { class: "result-head" }, h("h2", {}, job.title), h("p", { class: `state ${job.state}` }, job.state),
      busy ? h("button", { type: "button", class: "small", onclick: careful(() => ask(`/jobs/${job.id}`, undefined, "DELETE")) }, "Stop") : ""),
    busy ? h("progress", { max: job.due || 1, value: job.due ? job.done : null, "aria-label": `Progress of ${job.title}` }) : "",
    h("p", { class: job.problem ? "bad" : "muted" }, [share, job.problem || job.said, `${Math.round(job.seconds)} s`].filter(Boolean).join(" · ")));
}

export async function modelsPage(main) {
  const found = await ask("/models");
  const use = (one) => ({ true: "free to use", false: "not for commercial use" }[String(one)] ?? "not stated");
  const rows = found.models.map((one) => h("tr", { class: one.name === found.answering ? "first" : "" },
    h("th", { scope: "row" }, one.name, one.name === found.answering ? h("span", { class: "badge" }, "answers here") : ""),
    h("td", {}, one.for || "–"),
    h("td", { class: "number" }, `${(one.parameters / 1e6).toFixed(1)} M`),
    h("td", {}, one.licence, " ", h("span", { class: "muted" }, use(one.commercial))),
    h("td", {}, one.weights ? "here" : one.checkpoints.length ? h("code", {}, `internvideo models fetch ${one.name}`) : "–")));
  main.replaceChildren(h("h1", {}, "Models and licences"),
    h("p", { class: "muted" }, `${many(found.models.length, "network")}, ${many(found.checkpoints.length, "published checkpoint")}. Nothing is downloaded from this page: the command does it when you say so.`),
    h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Networks" }, h("table", {},
      h("thead", {}, h("tr", {}, ["Network", "For", "Parameters", "Licence of the weights", "Weights"].map((head) => h("th", { scope: "col" }, head)))),
      h("tbody", {}, rows))));
}
