// Shows a photo and each face in it.

const GENDERS = ["female", "male"];
const UNSURE_GENDER = 0.75, UNSURE_YEARS = 40; // as in agejax/inference/prediction.py

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const years = (x) => String(Math.round(x));

function gender(face) {
  const p = face.gender_probabilities;
  if (!p) return null;
  const which = p[1] > p[0] ? 1 : 0;
  return { word: GENDERS[which], letter: "FM"[which], p: p[which], sure: p[which] >= UNSURE_GENDER };
}

const short = (face) => {
  const g = gender(face);
  return `${g ? `${g.letter}/` : ""}${years(face.age)}`;
};

// The boxes of faces over their picture, each with its label.
export const labels = (faces) =>
  faces.filter((face) => face.box).map((face) => {
    const { x, y, width, height } = face.box;
    const mark = make("div", { class: "box" }, make("span", {}, short(face)));
    mark.classList.toggle("inside", y < 0.08); // above the box, its label would be cut off
    mark.classList.toggle("end", x > 0.8);
    const edge = (share) => `${100 * Math.max(share, 0)}%`; // a box may extend beyond the photo
    mark.style.left = edge(x);
    mark.style.top = edge(y);
    mark.style.right = edge(1 - x - width);
    mark.style.bottom = edge(1 - y - height);
    return mark;
  });

export function photoCard(file) {
  const url = URL.createObjectURL(file);
  const image = make("img", { src: url, alt: file.name });
  const boxes = make("div", { class: "boxes" });
  const picture = make("div", { class: "picture" }, image, boxes);
  const close = make("button", { type: "button", class: "close", "aria-label": `Remove ${file.name}` }, "×");
  const list = make("div", { class: "faces" }, make("p", { class: "note" }, "Searching …"));
  const element = make("article", { class: "photo", "aria-busy": "true" }, picture, list, close);
  close.onclick = () => {
    URL.revokeObjectURL(url);
    element.remove();
  };
  const showText = (text) => {
    list.replaceChildren(make("p", { class: "note" }, text));
    element.setAttribute("aria-busy", "false");
  };
  return {
    element,
    show({ faces }, note) {
      if (!faces.length) return showText("No face found in this photo.");
      const marks = labels(faces);
      boxes.replaceChildren(...marks);
      const cards = faces.map((face) => faceCard(face));
      cards.forEach((card, i) => link(card, marks[i]));
      const count = faces.length > 1 ? [make("h2", {}, `${faces.length} faces, from left to right`)] : [];
      const said = note && faces.some((face) => face.box) ? [make("p", { class: "note" }, note)] : [];
      list.replaceChildren(...count, ...cards, ...said);
      element.classList.toggle("many", faces.length > 2);
      element.setAttribute("aria-busy", "false");
    },
    fail(why) {
      picture.remove();
      showText(`${file.name}: ${why}.`);
    },
  };
}

function link(card, mark) {
  if (!mark) return;
  for (const element of [card, mark]) {
    element.onpointerenter = () => [card, mark].forEach((x) => x.classList.add("lit"));
    element.onpointerleave = () => [card, mark].forEach((x) => x.classList.remove("lit"));
  }
}

function faceCard(face) {
  const thumb = make("canvas", { width: face.thumb.width, height: face.thumb.height });
  thumb.getContext("2d").putImageData(face.thumb, 0, 0);
  const vague = face.age_high - face.age_low >= UNSURE_YEARS;
  const g = gender(face);
  const words = make(
    "div",
    { class: "words" },
    make("p", { class: "age" }, make("b", {}, years(face.age)), " years"),
    make(
      "p",
      {},
      `90%: ${years(face.age_low)} to ${years(face.age_high)}`,
      vague ? make("span", { class: "unsure" }, "unsure") : "",
    ),
  );
  if (g) {
    words.append(
      make(
        "p",
        {},
        `${g.word}, ${(100 * g.p).toFixed(0)}%`,
        g.sure ? "" : make("span", { class: "unsure" }, "unsure"),
      ),
    );
  }
  for (const [threshold, p] of Object.entries(face.at_least ?? {})) {
    words.append(make("p", {}, `${threshold} or older: ${(100 * p).toFixed(1)}%`));
  }
  const card = make("section", { class: "face" }, thumb, words, curve(face));
  card.reading = face; // for scripts and tests
  return card;
}

const SVG = "http://www.w3.org/2000/svg";

function draw(tag, attributes, text) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text) element.textContent = text;
  return element;
}

// The distribution over ages, its 90% interval filled and its median marked.
function curve(face) {
  const width = 400, height = 96, base = 72, p = face.age_probabilities;
  const x = (age) => 16 + ((width - 32) * age) / (p.length - 1); // space for half of "100"
  const y = (q) => base - (base - 8) * (q / Math.max(...p));
  const at = (age) => {
    const low = Math.min(Math.floor(age), p.length - 2);
    return p[low] + (age - low) * (p[low + 1] - p[low]);
  };
  const points = p.map((q, age) => [age, q]);
  const area = (list) =>
    `M${x(list[0][0])},${base}${list.map(([age, q]) => `L${x(age)},${y(q)}`).join("")}L${x(list.at(-1)[0])},${base}Z`;
  const { age_low: low, age_high: high, age } = face;
  const inside = [[low, at(low)], ...points.filter(([a]) => a > low && a < high), [high, at(high)]];
  const label = `Probability of each age; median ${years(age)}, 90% from ${years(low)} to ${years(high)}`;
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  svg.append(
    draw("path", { class: "all", d: area(points) }),
    draw("path", { class: "inside", d: area(inside) }),
    draw("line", { class: "axis", x1: x(0), x2: x(p.length - 1), y1: base, y2: base }),
    draw("line", { class: "interval", x1: x(low), x2: x(high), y1: base, y2: base }),
    draw("line", { class: "median", x1: x(age), x2: x(age), y1: base, y2: 4 }),
  );
  for (let tick = 0; tick < p.length; tick += 20) {
    svg.append(draw("text", { x: x(tick), y: height - 4, "text-anchor": "middle" }, String(tick)));
  }
  return svg;
}
