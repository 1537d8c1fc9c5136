// SPDX-License-Identifier: Apache-2.0 OR MIT
"use strict";
// Text reaches the document as text nodes only; nothing here parses HTML or sets a style attribute.

const data = JSON.parse(document.getElementById("data").textContent);
const at = (id) => document.getElementById(id);
const SVG = at("shapes").content.firstElementChild.namespaceURI;
const GLYPHS = { passed: "✓", failed: "✗", skipped: "–" };
const LETTERS = { p: "passed", f: "failed", s: "skipped" };

const given = (children) => children.flat().filter((child) => child !== null && child !== undefined);

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {}))
    if (value !== undefined && value !== null && value !== false) element.setAttribute(name, value);
  element.append(...given(children));
  return element;
}

/** An element of HTML. Children are nodes, or texts of our own. */
const html = (name, attributes, ...children) => filled(document.createElement(name), attributes, children);

/** An element of SVG. */
const svg = (name, attributes, ...children) =>
  filled(document.createElementNS(SVG, name), attributes, children);

// Control, format and unpaired surrogate characters, and separators that break lines. A tab is shown by its width.
const UNSEEN = /\x1b\[[0-9;]*[A-Za-z]|[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

function named(character) {
  const code = character.codePointAt(0);
  if (code < 0x20) return `^${String.fromCharCode(0x40 + code)}`;
  return `<U+${code.toString(16).toUpperCase().padStart(4, "0")}>`;
}

/** Nodes for a text of the guest's: what would be invisible, or would act, is shown by name. */
function shown(text) {
  const nodes = [];
  let end = 0;
  for (const match of String(text).matchAll(UNSEEN)) {
    if (match[0] === "\n" || match[0] === "\t") continue;
    nodes.push(text.slice(end, match.index), html("span", { class: "unseen" }, named(match[0]) + match[0].slice(1).replace(/^[\udc00-\udfff]/, "")));
    end = match.index + match[0].length;
  }
  nodes.push(String(text).slice(end));
  return nodes.filter((node) => node !== "");
}

function seconds(value) {
  if (value >= 60) return `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
  if (value >= 1) return `${value.toFixed(2)} s`;
  return value >= 0.001 ? `${(value * 1000).toFixed(value < 0.01 ? 1 : 0)} ms` : `${Math.round(value * 1e6)} µs`;
}

function bytes(value) {
  const units = [["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 1024]];
  for (const [unit, size] of units)
    if (value >= size) return `${Number.isInteger(value / size) ? value / size : (value / size).toFixed(1)} ${unit}`;
  return `${value} B`;
}

const hex = (value) => "0x" + value.toString(16);
const nameOf = (test) => test.cell || test.test;

/** The outcome in the last earlier run that had the test, or "". */
function earlier(test) {
  const known = (test.before || "").replace(/-/g, "");
  return LETTERS[known.slice(-1)] || "";
}

const isChanged = (test) => earlier(test) !== "" && earlier(test) !== test.outcome;
