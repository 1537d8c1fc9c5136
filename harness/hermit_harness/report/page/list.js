// SPDX-License-Identifier: Apache-2.0 OR MIT
// The results as a grid of cells or as a list: filters, keys, and the rows that are in view.

const ROW = 24; // pixels, as in the style
const SQUARE = 26;
const LABEL = 270;
const BEYOND = 12; // rows above and below the view that are made, too
const scroller = at("scroller");
const rows = at("rows");
const RANK = { failed: 0, skipped: 1, passed: 2 };

const tests = data.tests.map((test, index) => {
  const [target, machine, accelerator, ...rest] = (test.cell || "").split("/");
  return { ...test, index, target, place: test.cell ? `${target}/${machine}/${accelerator}` : "",
    machine: machine || "", what: rest.join(" · ") };
});
const hasCells = tests.filter((test) => test.cell).length > 1;
const state = { text: "", outcome: "", target: "", machine: "", view: hasCells ? "grid" : "list", row: 0, column: 0 };
let view = { count: 0 };
let made = new Map();

// ---- which tests are shown

const haystacks = new Map();

function haystack(test) {
  let text = haystacks.get(test.index);
  if (text === undefined) {
    const run = test.run || {};
    const parts = [test.test, test.cell, test.reason, run.cause, run.hint, run.summary,
      ...(run.console || []).map((line) => line[1])];
    text = parts.filter(Boolean).join("\n").toLowerCase();
    haystacks.set(test.index, text);
  }
  return text;
}

function isShown(test) {
  if (state.outcome === "changed" ? !isChanged(test) : state.outcome && test.outcome !== state.outcome) return false;
  if (state.target && test.target !== state.target) return false;
  if (state.machine && test.machine !== state.machine) return false;
  return !state.text || state.text.split(/\s+/).every((word) => haystack(test).includes(word));
}

// ---- the two views: how many rows, the element of one, the test at a place

function gridView(chosen) {
  const cells = chosen.filter((test) => test.cell);
  const places = [...new Set(cells.map((test) => test.place))].sort();
  const column = new Map(places.map((place, index) => [place, index]));
  const byWhat = new Map();
  for (const test of cells) {
    if (!byWhat.has(test.what)) byWhat.set(test.what, []);
    byWhat.get(test.what)[column.get(test.place)] = test;
  }
  const labels = [...byWhat.keys()].sort();
  const element = (index) => html("div", { class: "row", role: "row", "aria-rowindex": index + 1 },
    html("span", { class: "label", role: "rowheader", title: labels[index] }, labels[index]),
    byWhat.get(labels[index]).map((test, at) => square(test, at)));
  return { kind: "grid", count: labels.length, columns: places.length, places, cells: cells.length, element,
    find: (row, at) => (byWhat.get(labels[row]) || [])[at],
    locate: (test) => [labels.indexOf(test.what), column.get(test.place)] };
}

function square(test, column) {
  const mark = html("span", { class: `square ${test.outcome}${isChanged(test) ? " changed" : ""}`, role: "gridcell",
    id: `t${test.index}`, "aria-colindex": column + 1, "aria-label": `${test.cell} ${test.outcome}`,
    title: `${test.cell}: ${test.outcome}${test.reason ? `, ${test.reason}` : ""}` }, GLYPHS[test.outcome]);
  mark.style.left = `${LABEL + column * SQUARE}px`;
  return mark;
}

function listView(chosen) {
  const sorted = [...chosen].sort((a, b) => RANK[a.outcome] - RANK[b.outcome] || isChanged(b) - isChanged(a)
    || a.index - b.index);
  const element = (index) => {
    const test = sorted[index];
    return html("div", { class: `row item ${test.outcome}`, role: "option", id: `t${test.index}`,
      "aria-setsize": sorted.length, "aria-posinset": index + 1 },
      html("span", { class: `mark ${test.outcome}`, "aria-label": test.outcome }, GLYPHS[test.outcome]),
      html("span", { class: "label" }, ...shown(nameOf(test))),
      html("span", { class: "reason" }, ...shown(test.reason || "")),
      isChanged(test) ? html("span", { class: "note" }, `was ${earlier(test)}`) : null,
      html("span", { class: "number" }, seconds(test.seconds)));
  };
  return { kind: "list", count: sorted.length, columns: 1, element, find: (row) => sorted[row],
    locate: (test) => [sorted.indexOf(test), 0] };
}

function heads(places) {
  const heads = places.map((place, index) => {
    const [target, machine, accelerator] = place.split("/");
    const head = html("span", { class: index && places[index - 1].split("/")[0] !== target ? "place first" : "place" },
      html("span", {}, `${target} `), html("b", {}, machine), accelerator === "tcg" ? "" : ` ${accelerator}`);
    head.style.left = `${LABEL + index * SQUARE}px`;
    return head;
  });
  at("heads").replaceChildren(...heads);
  at("heads").hidden = !heads.length;
  at("heads").style.height = `${12 + Math.max(0, ...heads.map((head) => head.offsetHeight))}px`;
}

/** Choose anew which tests are shown, and mark one of them, by default the first. */
function refresh(marked) {
  const chosen = tests.filter(isShown);
  view = state.view === "grid" ? gridView(chosen) : listView(chosen);
  heads(view.kind === "grid" ? view.places : []);
  rows.setAttribute("role", view.kind === "grid" ? "grid" : "listbox");
  rows.setAttribute("aria-label", view.kind === "grid" ? "Cells" : "Tests");
  rows.classList.toggle("is-grid", view.kind === "grid");
  if (view.kind === "grid") {
    rows.setAttribute("aria-rowcount", view.count);
    rows.setAttribute("aria-colcount", view.columns);
  }
  rows.style.height = `${view.count * ROW}px`;
  rows.style.minWidth = view.kind === "grid" ? `${LABEL + view.columns * SQUARE + 12}px` : "";
  made = new Map();
  rows.replaceChildren();
  const place = marked && isShown(marked) ? view.locate(marked) : [0, 0];
  [state.row, state.column] = place[0] >= 0 ? place : [0, 0];
  if (!view.find(state.row, state.column)) firstInRow();
  const others = view.kind === "grid" ? chosen.length - view.cells : 0;
  at("count").textContent = chosen.length === 0 ? "No test matches." :
    view.kind === "grid" ? `${view.cells} ${view.cells === 1 ? "cell" : "cells"}` + (others ? `; the list (v) also has ${others} other${others === 1 ? "" : "s"}` : "")
      : `${chosen.length} of ${tests.length} tests`;
  draw();
}

/** Make the rows in view, and drop the others. */
function draw() {
  const top = Math.max(scroller.scrollTop - rows.offsetTop, 0);
  const first = Math.max(Math.floor(top / ROW) - BEYOND, 0);
  const last = Math.min(Math.ceil((top + scroller.clientHeight) / ROW) + BEYOND, view.count);
  for (const [index, element] of made)
    if (index < first || index >= last) {
      element.remove();
      made.delete(index);
    }
  for (let index = first; index < last; index++) {
    if (made.has(index)) continue;
    const element = view.element(index);
    element.style.top = `${index * ROW}px`;
    made.set(index, element);
    rows.append(element);
  }
  mark();
}

function mark() {
  for (const old of rows.querySelectorAll(".active")) {
    old.classList.remove("active");
    old.removeAttribute("aria-selected");
  }
  const test = current();
  const element = test && at(`t${test.index}`);
  if (!element) return rows.removeAttribute("aria-activedescendant");
  element.classList.add("active");
  element.setAttribute("aria-selected", "true");
  return rows.setAttribute("aria-activedescendant", element.id);
}

// ---- moving

const focusRows = () => rows.focus({ preventScroll: true });
const current = () => view.count ? view.find(state.row, state.column) : undefined;

function firstInRow() {
  for (let column = 0; column < view.columns; column++)
    if (view.find(state.row, column)) {
      state.column = column;
      return;
    }
}

/** Move to the next row that has a test in this column, or to the last one. */
function moveRows(step) {
  const way = Math.sign(step);
  let row = Math.min(Math.max(state.row + step, 0), view.count - 1);
  while (row >= 0 && row < view.count && !view.find(row, state.column)) row += way;
  if (view.find(row, state.column)) state.row = row;
  reveal();
}

function moveColumns(way) {
  for (let column = state.column + way; column >= 0 && column < view.columns; column += way)
    if (view.find(state.row, column)) {
      state.column = column;
      break;
    }
  reveal();
}

function moveTo(row) {
  if (!view.count) return;
  state.row = row;
  if (!current()) firstInRow();
  reveal();
}

/** The next or previous test that failed, in the order of the view. */
function moveToFailure(way) {
  const size = view.count * view.columns;
  const now = state.row * view.columns + state.column;
  for (let step = 1; step <= size; step++) {
    const place = (now + way * step + size * 2) % size;
    const test = view.find(Math.floor(place / view.columns), place % view.columns);
    if (test && test.outcome === "failed") {
      [state.row, state.column] = [Math.floor(place / view.columns), place % view.columns];
      break;
    }
  }
  reveal();
}

function reveal() {
  const top = state.row * ROW;
  const head = at("heads").hidden ? 0 : at("heads").offsetHeight;
  const room = scroller.clientHeight - head;
  if (top < scroller.scrollTop) scroller.scrollTop = top;
  else if (top + ROW > scroller.scrollTop + room) scroller.scrollTop = top + ROW - room;
  if (view.kind === "grid") {
    const left = LABEL + state.column * SQUARE;
    if (left - LABEL < scroller.scrollLeft) scroller.scrollLeft = left - LABEL;
    if (left + SQUARE > scroller.scrollLeft + scroller.clientWidth)
      scroller.scrollLeft = left + SQUARE - scroller.clientWidth;
  }
  draw();
  if (!details.hidden) open(current(), false);
}

function open(test, focus = true) {
  if (!test) return;
  openDetails(test);
  setAddress(test.test);
  draw(); // the list has become narrower
  if (focus) details.focus();
}

// ---- keys and clicks

const MOVES = {
  ArrowDown: () => moveRows(1), j: () => moveRows(1), ArrowUp: () => moveRows(-1), k: () => moveRows(-1),
  ArrowRight: () => moveColumns(1), l: () => moveColumns(1), ArrowLeft: () => moveColumns(-1),
  h: () => moveColumns(-1), Home: () => moveTo(0), End: () => moveTo(view.count - 1),
  PageDown: () => moveRows(15), PageUp: () => moveRows(-15),
  Enter: () => open(current()), " ": () => open(current()),
};
const GLOBAL = {
  "/": () => { at("search").focus(); at("search").select(); },
  "?": () => at("help").click(), v: () => choose("view", state.view === "grid" ? "list" : "grid"),
  n: () => moveToFailure(1), p: () => moveToFailure(-1),
};
const IN_DETAILS = { j: () => moveRows(1), k: () => moveRows(-1) };

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const isTyping = event.target.matches("input, select");
  let action;
  if (event.key === "Escape") action = escape(event.target);
  else if (event.target === at("search") && ["Enter", "ArrowDown"].includes(event.key)) action = focusRows;
  else if (!isTyping && details.contains(event.target))
    action = /^[1-9]$/.test(event.key) ? () => showSectionNumber(Number(event.key)) : IN_DETAILS[event.key];
  else if (event.target === rows) action = MOVES[event.key];
  if (!action && !isTyping) action = GLOBAL[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});

function escape(target) {
  if (!details.hidden) return closeDetails;
  if (target === at("search")) return () => { at("search").value = ""; choose("text", ""); focusRows(); };
  return undefined;
}

rows.addEventListener("click", (event) => {
  const element = event.target.closest("[id^=t]");
  if (!element || element === rows) return;
  [state.row, state.column] = view.locate(tests[Number(element.id.slice(1))]);
  open(current());
});
scroller.addEventListener("scroll", draw, { passive: true });
addEventListener("resize", draw);

// ---- the head of the page

function choose(name, value) {
  state[name] = value;
  for (const button of document.querySelectorAll(`button[data-name="${name}"]`))
    button.setAttribute("aria-pressed", String(button.dataset.value === value));
  if (name === "outcome" && state.view === "grid" && value && !tests.some((t) => t.cell && isShown(t)))
    return choose("view", "list");
  const marked = name === "view" ? current() : undefined;
  scroller.scrollTop = 0;
  refresh(marked);
  return marked && reveal();
}

function button(group, name, value, label, count) {
  const element = html("button", { type: "button", "data-name": name, "data-value": value, class: value || "all",
    "aria-pressed": String(state[name] === value) }, label, count === undefined ? "" : html("b", {}, ` ${count}`));
  element.addEventListener("click", () => choose(name, value));
  group.append(element);
}

function select(element, name, all, values) {
  element.append(html("option", { value: "" }, all), ...values.map((value) => html("option", { value }, value)));
  element.addEventListener("change", () => choose(name, element.value));
  element.hidden = values.length < 2;
}

function head() {
  const count = (outcome) => tests.filter((test) => test.outcome === outcome).length;
  const isRed = count("failed") > 0 || data.faults.length > 0;
  document.title = `${isRed ? "red" : "green"}: ${data.title}`;
  at("title").append(...shown(data.title));
  at("verdict").classList.add(isRed ? "failed" : "passed");
  at("verdict").append(isRed ? "red" : "green");
  const cells = tests.filter((test) => test.cell).length;
  const total = tests.reduce((sum, test) => sum + test.seconds, 0);
  const facts = [cells ? `${cells} cells, ${tests.length - cells} other tests` : "",
    total ? `${seconds(total)} in all` : "", data.commit ? `commit ${data.commit.slice(0, 12)}` : "",
    data.shard ? `shard ${data.shard}` : "", data.complete === false ? "a selection" : "",
    data.when.replace("T", " ").replace("+00:00", " UTC")];
  at("facts").append(facts.filter(Boolean).join(" · "));
  at("faults").append(...data.faults.map((fault) => html("li", {}, ...shown(fault))));
  at("faults").hidden = !data.faults.length;
  button(at("outcomes"), "outcome", "", "All", tests.length);
  for (const outcome of ["failed", "skipped", "passed"])
    if (count(outcome)) button(at("outcomes"), "outcome", outcome, outcome, count(outcome));
  const changed = tests.filter(isChanged).length;
  if (changed) button(at("outcomes"), "outcome", "changed", "changed", changed);
  const values = (key) => [...new Set(tests.map((test) => test[key]).filter(Boolean))].sort();
  select(at("target"), "target", "all targets", values("target"));
  select(at("machine"), "machine", "all machines", values("machine"));
  if (hasCells) {
    button(at("views"), "view", "grid", "Grid");
    button(at("views"), "view", "list", "List");
  }
  at("tools").hidden = tests.length === 1;
  at("search").addEventListener("input", () => choose("text", at("search").value.trim().toLowerCase()));
  at("help").addEventListener("click", () => {
    at("keys").hidden = !at("keys").hidden;
    at("help").setAttribute("aria-expanded", String(!at("keys").hidden));
  });
}

function start() {
  head();
  refresh();
  document.body.classList.toggle("single", tests.length === 1);
  const named = tests.find((test) => test.test === decodeURIComponent(location.hash.slice(1)));
  const first = named || (tests.length === 1 ? tests[0] : undefined);
  if (first && !named?.cell && state.view === "grid" && !first.cell) choose("view", "list");
  if (first) {
    [state.row, state.column] = view.locate(first);
    open(first);
    reveal();
  } else focusRows();
}

start();
