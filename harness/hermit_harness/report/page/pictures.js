// SPDX-License-Identifier: Apache-2.0 OR MIT
// Pictures of one boot: when its phases were, who lay where in memory, which frames were sent.

/** Bars of the phases of a boot, [{name, start, end}] in seconds. */
function waterfall(phases) {
  const begin = Math.min(...phases.map((phase) => phase.start));
  const length = Math.max(...phases.map((phase) => phase.end)) - begin || 1;
  const rows = phases.map((phase, index) => {
    const left = ((phase.start - begin) / length) * 1000;
    const width = Math.max(((phase.end - phase.start) / length) * 1000, 2);
    const label = `${phase.name}: ${seconds(phase.end - phase.start)} from ${seconds(phase.start)}`;
    return html("div", { class: "phase", role: "listitem", title: label },
      html("span", { class: "name" }, ...shown(phase.name)),
      svg("svg", { viewBox: "0 0 1000 16", preserveAspectRatio: "none", "aria-hidden": "true" },
        [250, 500, 750].map((x) => svg("line", { x1: x, x2: x, y1: 0, y2: 16, class: "tick" })),
        svg("rect", { x: Math.min(left, 998), y: 2, width, height: 12, rx: 1, class: `bar kind${index % 6}` })),
      html("span", { class: "number" }, seconds(phase.end - phase.start)));
  });
  const scale = html("div", { class: "phase scale", "aria-hidden": "true" }, html("span"),
    html("span", { class: "ends" }, ...[0, 0.25, 0.5, 0.75, 1].map((part) =>
      html("span", {}, seconds(begin + part * length)))),
    html("span"));
  return html("div", { class: "waterfall", role: "list" }, ...rows, scale);
}

/** Places in lanes, so that no two in a lane overlap; the largest first. */
function laned(regions) {
  const lanes = [];
  for (const region of [...regions].sort((a, b) => (b.end - b.start) - (a.end - a.start) || a.start - b.start)) {
    let lane = lanes.findIndex((placed) => placed.every((o) => o.end <= region.start || o.start >= region.end));
    if (lane < 0) lane = lanes.push([]) - 1;
    lanes[lane].push(region);
  }
  return lanes;
}

const COLUMN = 250;
const ADDRESS = 104;

/** The memory map: a column for each phase, the lowest address at the bottom, heights not to scale. */
function memoryPicture(regions) {
  const phases = [...new Set(regions.map((region) => region.phase || ""))];
  const bounds = [...new Set(regions.flatMap((region) => [region.start, region.end]))].sort((a, b) => a - b);
  const tops = new Map();
  let y = 26;
  for (let i = bounds.length - 1; i >= 0; i--) {
    tops.set(bounds[i], y);
    if (i) y += regions.some((r) => r.start < bounds[i] && r.end >= bounds[i]) ? 22 : 12;
  }
  const parts = bounds.map((bound) =>
    svg("text", { x: ADDRESS - 8, y: tops.get(bound) + 4, class: "address" }, hex(bound)));
  const kinds = [...new Set(regions.map((region) => region.what))];
  phases.forEach((phase, column) => {
    const x = ADDRESS + column * (COLUMN + 14);
    parts.push(svg("text", { x, y: 14, class: "head" }, ...shown(phase)));
    parts.push(svg("rect", { x, y: 26, width: COLUMN, height: y - 26, class: "space" }));
    const lanes = laned(regions.filter((region) => (region.phase || "") === phase));
    const width = COLUMN / Math.max(lanes.length, 1);
    lanes.forEach((lane, index) => lane.forEach((region) => {
      const top = tops.get(region.end);
      const height = tops.get(region.start) - top;
      const left = x + index * width;
      const text = `${region.what}, ${bytes(region.end - region.start)}`;
      const fits = Math.max(Math.floor((width - 12) / 6.4), 1);
      parts.push(svg("g", {}, svg("title", {}, `${text}: ${hex(region.start)} to ${hex(region.end)}`),
        svg("rect", { x: left, y: top, width, height, class: `bar kind${kinds.indexOf(region.what) % 6}` }),
        svg("text", { x: left + 6, y: top + height / 2 + 4, class: "inside" },
          ...shown(text.length > fits ? text.slice(0, fits - 1) + "…" : text))));
    }));
  });
  const width = ADDRESS + phases.length * (COLUMN + 14);
  return html("div", { class: "wide" },
    svg("svg", { width, height: y + 8, viewBox: `0 0 ${width} ${y + 8}`, "aria-hidden": "true" }, parts));
}

/** The same as a table. */
function memoryTable(regions) {
  const rows = [...regions].sort((a, b) => a.start - b.start || b.end - a.end).map((region) =>
    html("tr", {}, html("td", { class: "number" }, hex(region.start)), html("td", { class: "number" }, hex(region.end)),
      html("td", { class: "number" }, bytes(region.end - region.start)),
      html("td", {}, ...shown(region.what)), html("td", {}, ...shown(region.phase || ""))));
  const heads = ["from", "to", "size", "what", "when"].map((head) => html("th", { scope: "col" }, head));
  return html("table", {}, html("thead", {}, html("tr", {}, heads)), html("tbody", {}, rows));
}

const LANE = 330;
const STEP = 24;
const BROADCAST = "ff:ff:ff:ff:ff:ff";

/** The packet ladder of frames [seconds, from, to, what, problems, IPv4 address of the sender]. */
function ladder(frames) {
  const addresses = new Map();
  for (const [, from, to, , , address] of frames) {
    if (!addresses.has(from)) addresses.set(from, "");
    if (address) addresses.set(from, address);
    if (to !== BROADCAST && !addresses.has(to)) addresses.set(to, "");
  }
  const lanes = [...addresses.keys()].slice(0, 6);
  const x = (lane) => 90 + 60 + lane * LANE;
  const height = 44 + frames.length * STEP;
  const width = Math.max(x(lanes.length - 1) + 90, 520);
  const parts = [];
  lanes.forEach((lane, index) => {
    parts.push(svg("text", { x: x(index), y: 14, class: "lane head" }, ...shown(addresses.get(lane) || lane)));
    if (addresses.get(lane)) parts.push(svg("text", { x: x(index), y: 27, class: "lane small" }, ...shown(lane)));
    parts.push(svg("line", { x1: x(index), x2: x(index), y1: 34, y2: height, class: "tick" }));
  });
  frames.forEach(([time, from, to, what, problems], index) => {
    const y = 54 + index * STEP;
    const start = lanes.indexOf(from);
    let end = lanes.indexOf(to);
    if (end < 0) end = start === lanes.length - 1 ? start - 1 : start + 1;
    const [left, right] = lanes.length > 1 ? [x(start), x(end)] : [x(0), x(0) + 120];
    const way = right > left ? 1 : -1;
    parts.push(svg("g", { class: problems ? "frame wrong" : "frame" },
      svg("title", {}, ...shown(`${from} to ${to}: ${what}${problems ? `, wrong: ${problems}` : ""}`)),
      svg("text", { x: 66, y: y + 4, class: "address" }, `${(time * 1000).toFixed(1)} ms`),
      svg("line", { x1: left, x2: right - way * 7, y1: y, y2: y, class: to === BROADCAST ? "arrow all" : "arrow" }),
      svg("path", { d: `M${right} ${y}l${-way * 8} -4v8z`, class: "head" }),
      svg("text", { x: (left + right) / 2, y: y - 4, class: "lane" },
        ...shown(what + (problems ? ` (${problems})` : "")))));
  });
  return html("div", { class: "wide" },
    svg("svg", { width, height: height + 6, viewBox: `0 0 ${width} ${height + 6}`, role: "img",
      "aria-label": `${frames.length} frames` }, parts));
}
