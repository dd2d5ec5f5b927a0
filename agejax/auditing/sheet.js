"use strict";
const boxes = [...document.querySelectorAll("input")];
const key = "agejax-audit-" + document.body.dataset.sheet;
const name = (box) => box.dataset.task + " " + box.dataset.path;
const ticked = () => boxes.filter((box) => box.checked);

function count() {
  document.getElementById("count").textContent = ticked().length + " ticked";
}

// a browser may refuse to keep anything for a page from a file
try {
  const kept = new Set(JSON.parse(localStorage.getItem(key) || "[]"));
  for (const box of boxes) box.checked = kept.has(name(box));
} catch (error) {}
count();

document.addEventListener("change", () => {
  count();
  try {
    localStorage.setItem(key, JSON.stringify(ticked().map(name)));
  } catch (error) {}
});

// As agejax writes CSV: what a spreadsheet would execute has a ' in front.
function cell(text) {
  const formula = /^'*\s*[=+\-@＝＋－＠]/.test(text) || /^'*[\t\r\n]/.test(text);
  const number = /^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$/.test(text);
  return '"' + (formula && !number ? "'" : "") + text.replaceAll('"', '""') + '"';
}

document.getElementById("save").addEventListener("click", () => {
  const rows = ticked().map((box) => cell(box.dataset.path) + "," + box.dataset.task + "\n");
  const url = URL.createObjectURL(new Blob(["path,task\n", ...rows], { type: "text/csv" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = "ticks.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
});
