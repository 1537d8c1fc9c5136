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

/** The depth of each region: one more than that of the deepest larger region that it overlaps. */
function depths(regions) {
  const found = new Map();
  for (const region of [...regions].sort((a, b) => sizeOf(b) - sizeOf(a) || a.start - b.start)) {
    let depth = 0;
    for (const [other, at] of found)
      if (other.start < endOf(region) && endOf(other) > region.start) depth = Math.max(depth, at + 1);
    found.set(region, depth);
  }
  return found;
}

const endOf = (region) => region.end ?? region.start + 1; // a size may be unknown
const sizeOf = (region) => endOf(region) - region.start;
const sizeText = (region) => region.end === null ? "" : bytes(sizeOf(region));

const COLUMN = 300;
const ADDRESS = 104;
const INDENT = 16;
const LEVEL = 18;
const MAP_PHASES = ["before", "after"];

/** The memory map before and after the hand-over, the lowest address at the bottom, heights not to scale. */
function memoryPicture(regions) {
  const bounds = [...new Set(regions.flatMap((region) => [region.start, endOf(region)]))].sort((a, b) => b - a);
  const top = new Map(bounds.map((bound, index) => [bound, 26 + index * LEVEL]));
  const height = 26 + (bounds.length - 1) * LEVEL;
  const kinds = [...new Set(regions.map((region) => region.what))];
  const isKnown = (bound) => regions.some((region) => region.start === bound || region.end === bound);
  const parts = bounds.filter(isKnown).map((bound) =>
    svg("text", { x: ADDRESS - 8, y: top.get(bound) + 4, class: "address" }, hex(bound)));
  MAP_PHASES.forEach((phase, column) => {
    const x = ADDRESS + column * (COLUMN + 14);
    parts.push(svg("text", { x, y: 14, class: "head" }, `${phase} the hand-over`));
    parts.push(svg("rect", { x, y: 26, width: COLUMN, height: height - 26, class: "space" }));
    const placed = depths(regions.filter((region) => [phase, "both"].includes(region.phase)));
    for (const [region, depth] of placed) {
      const left = x + depth * INDENT;
      const width = x + COLUMN - left;
      const y = top.get(endOf(region));
      parts.push(svg("g", {}, svg("title", {}, ...shown(rangeText(region))),
        svg("rect", { x: left, y, width, height: top.get(region.start) - y,
          class: region.what === "RAM" ? "bar ram" : `bar kind${kinds.indexOf(region.what) % 6}` })));
    }
    for (const [region, depth] of placed) {
      // Its name is drawn where nothing covers it.
      const free = bounds.slice(0, -1).find((bound, index) => bound <= endOf(region) && bound > region.start
        && ![...placed].some(([other, at]) => at > depth && other.start < bound && endOf(other) > bounds[index + 1]));
      if (free === undefined) continue;
      const text = [region.what, sizeText(region)].filter(Boolean).join(", ");
      const fits = Math.floor((COLUMN - depth * INDENT - 12) / 6);
      parts.push(svg("text", { x: x + depth * INDENT + 6, y: top.get(free) + 13, class: "inside" },
        ...shown(text.length > fits ? `${text.slice(0, fits - 1)}…` : text)));
    }
  });
  const width = ADDRESS + MAP_PHASES.length * (COLUMN + 14);
  return html("div", { class: "wide" },
    svg("svg", { width, height: height + 8, viewBox: `0 0 ${width} ${height + 8}`, "aria-hidden": "true" }, parts));
}

function rangeText(region) {
  const size = sizeText(region);
  return `${region.what}: ${hex(region.start)}${size ? ` to ${hex(region.end)}, ${size}` : ""}`;
}

/** The same as a table. */
function memoryTable(regions) {
  const number = (text) => html("td", { class: "number" }, text);
  const rows = regions.map((region) => html("tr", {}, number(hex(region.start)),
    number(region.end === null ? "" : hex(region.end)), number(sizeText(region)),
    html("td", {}, ...shown(region.what)), html("td", {}, ...shown(region.phase)),
    number(region.page_size ? bytes(region.page_size) : ""), html("td", {}, ...shown(region.source || ""))));
  const heads = ["from", "to", "size", "what", "when", "pages", "known from"].map((head) =>
    html("th", { scope: "col" }, head));
  return html("table", {}, html("thead", {}, html("tr", {}, heads)), html("tbody", {}, rows));
}

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
  const x = (lane) => 150 + lane * (lanes.length > 2 ? 260 : 380);
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
    if (end < 0) end = start ? 0 : lanes.length - 1; // to all
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
