// SPDX-License-Identifier: Apache-2.0 OR MIT
// What is known of one test, made when it is opened.

const details = at("details");
const NOTHING = "This test has left no boot.";

/** Sections of a boot: title, and what to show of it, or null if there is nothing. */
const SECTIONS = [
  ["Boot", (run) => run.phases && run.phases.length ? waterfall(run.phases) : null],
  ["Console", (run) => run.console ? consoleOf(run) : null],
  ["Source", (run) => run.source_lines ? sourceOf(run) : null],
  ["Backtrace", (run) => run.backtrace ? preformatted(run.backtrace) : null],
  ["Memory", (run) => run.map ? html("div", {}, memoryPicture(run.map), memoryTable(run.map),
    run.map_hint ? html("p", { class: "note" }, run.map_hint) : null) : null],
  ["Packets", (run) => run.frames ? html("div", {}, ladder(run.frames),
    run.frames_left_out ? html("p", { class: "note" }, `${run.frames_left_out} more frames are in the capture.`)
      : null) : null],
  ["Registers", (run) => run.registers ? preformatted(run.registers) : null],
  ["QEMU", (run) => run.stderr ? preformatted(run.stderr) : null],
];

function preformatted(text) {
  return html("pre", { tabindex: "0" }, ...shown(text.replace(/\n+$/, "")));
}

/** The console, each line with its time where times are known. */
function consoleOf(run) {
  const timed = run.console.some(([time]) => typeof time === "number");
  const box = html("div", { class: timed ? "console timed" : "console", tabindex: "0", role: "log",
    "aria-label": "Console" });
  if (run.cut) box.append(html("p", { class: "note" }, `${run.cut} characters precede these.`));
  let last = 0;
  for (const [time, text] of run.console) {
    const late = last && time - last > 0.25;
    if (timed && time !== null) last = time;
    box.append(html("div", { class: late ? "row late" : "row" },
      timed ? html("span", { class: "time", "data-time": time === null ? "" : time.toFixed(4) }) : null,
      html("span", { class: "text" }, ...shown(text))));
  }
  return box;
}

/** The lines around the one that failed. */
function sourceOf(run) {
  return html("pre", { class: "source", tabindex: "0", "aria-label": `${run.source.file}:${run.source.line}` },
    run.source_lines.map(([number, text]) =>
      html("span", { class: number === run.source.line ? "here" : undefined },
        html("b", {}, `${number === run.source.line ? "→" : " "} ${String(number).padStart(5)}  `), ...shown(text), "\n")));
}

function commandOf(test) {
  const lines = [];
  if (test.cell) lines.push(["Repeat this boot, with QEMU alone", `make repro CELL='${test.cell}'`],
    ["Debug it", `make debug CELL='${test.cell}'`], ["Test it again", `make test CELL='${test.cell}'`]);
  else if (data.before && test.test !== data.title)
    lines.push(["Test it again", `build/venv/bin/python -m pytest 'harness/tests/${test.test.replace(/'/g, "'\\''")}'`]);
  if (test.run && test.run.command && !test.cell) lines.push(["Repeat this boot", test.run.command]);
  if (test.run && test.run.argv) lines.push(["QEMU's command line", test.run.argv]);
  return html("dl", { class: "commands" }, lines.flatMap(([what, line]) =>
    [html("dt", {}, what), html("dd", {}, html("pre", { tabindex: "0" }, ...shown(line)), copyButton(what))]));
}

function copyButton(what) {
  const button = html("button", { type: "button", class: "copy", "aria-label": `Copy: ${what}` }, "copy");
  button.addEventListener("click", () => {
    getSelection().selectAllChildren(button.previousElementSibling);
    document.execCommand("copy"); // the clipboard's other interface is closed to files
    button.textContent = "copied";
  });
  return button;
}

/** One mark for each earlier run, the oldest first, and the present one. */
function strip(test) {
  const marks = [...(test.before || "")].map((letter, index) => {
    const run = data.before[index];
    const word = LETTERS[letter] || "not run";
    return html("span", { class: `mark ${LETTERS[letter] || "absent"}`,
      title: `${word}, ${run.when}, ${run.commit.slice(0, 12)}` }, GLYPHS[word] || "·");
  });
  return marks.length ? html("span", { class: "strip", "aria-label": `Earlier: ${test.before}` }, ...marks,
    html("span", { class: "arrow" }, "→"), html("span", { class: `mark ${test.outcome}` }, GLYPHS[test.outcome])) : null;
}

function factsOf(test) {
  const run = test.run || {};
  const rows = [
    ["verdict", run.verdict], ["ended as", run.summary], ["expected", run.expected], ["cause", run.cause],
    ["at", run.source ? `${run.source.file}:${run.source.line}` : undefined], ["hint", run.hint],
    ["to act", run.verdict === "pass" ? undefined : run.blame], ["notes", (run.notes || []).join("\n")],
    ["reason", [run.cause, run.summary].includes(test.reason) ? undefined : test.reason],
    ["application", run.application], ["kernel", run.kernel],
    ["machine", [run.target, run.machine, run.accelerator, run.memory].filter(Boolean).join(", ")],
    ["command line", run.command_line],
    ["second try", test.again], ["time", seconds(test.seconds)], ["test", test.cell ? test.test : undefined],
  ];
  return html("dl", { class: "facts" }, rows.filter(([, value]) => value !== undefined && value !== "")
    .flatMap(([name, value]) => [html("dt", {}, name), html("dd", {}, ...shown(value))]));
}

function openDetails(test) {
  const body = [];
  const jumps = [];
  const add = (title, content) => {
    const id = `section-${title.toLowerCase()}`;
    body.push(html("section", { id, tabindex: "-1", "aria-labelledby": `${id}-title` },
      html("h3", { id: `${id}-title` }, title), content));
    const jump = html("button", { type: "button", class: "jump" }, html("kbd", {}, String(jumps.length + 1)), title);
    jump.addEventListener("click", () => showSection(id));
    jumps.push(jump);
  };
  for (const [title, make] of SECTIONS) {
    const content = test.run ? make(test.run) : null;
    if (content) add(title, content);
  }
  if (test.second && test.second.console) add("Again", consoleOf(test.second));
  add("Command", commandOf(test));
  const close = html("button", { type: "button", class: "close", "aria-label": "Close" }, "✕");
  close.addEventListener("click", closeDetails);
  const head = html("div", { class: "head" },
    html("div", { class: "line" }, html("span", { class: `pill ${test.outcome}` }, test.outcome), strip(test),
      isChanged(test) ? html("span", { class: "note" }, `was ${earlier(test)}`) : null, close),
    html("h2", {}, ...shown(nameOf(test))),
    html("nav", { "aria-label": "Sections" }, ...jumps));
  const nothing = test.run ? null : html("p", { class: "note" }, NOTHING);
  details.replaceChildren(...given([head, factsOf(test), nothing, body]));
  details.hidden = false;
  document.body.classList.add("open");
  details.scrollTop = 0;
  details.dataset.test = test.test;
}

function showSection(id) {
  const section = at(id);
  section.scrollIntoView({ block: "start" });
  section.focus({ preventScroll: true });
}

function showSectionNumber(number) {
  const jump = details.querySelectorAll(".jump")[number - 1];
  if (jump) jump.click();
}

function closeDetails() {
  details.hidden = true;
  details.replaceChildren();
  document.body.classList.remove("open");
  setAddress("");
  focusRows();
}

function setAddress(name) {
  try {
    history.replaceState(null, "", name ? `#${encodeURIComponent(name)}` : location.pathname + location.search);
  } catch {
    // a browser may refuse this to a file; the page does without
  }
}
