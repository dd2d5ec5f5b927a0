// Face detection by MTCNN (Zhang et al., IEEE SPL 2016); a port of agejax/data/face_detection.py.

import { onBlack, resizeArea, round, turned } from "./pixels.js";

const SIDE = 960; // pixels of the longer side of the searched image
const SMALLEST = 24; // pixels of the smallest face in it
const WINDOW = 12, STRIDE = 2, SHRINK = 0.709; // P-Net's, and the factor between pyramid levels
const SURE = [0.6, 0.7, 0.7]; // minimum scores of P-, R- and O-Net
const MOST = 400; // maximum number of windows for R-Net

const TILTED = 8; // degrees of roll from which on the box is that of the face turned upright
const PLAUSIBLE = [0.6, 1.5]; // the square by the landmarks, relative to the box's longer side
const TURNS = [-45, 45], TURNED_SCALE = 0.5, TURNED_SURE = 0.985; // the search where no face is found

// Where a level face has its landmarks, as in agejax/data/face_alignment.py.
const PLACES = [[0.335, 0.321], [0.701, 0.321], [0.519, 0.538], [0.363, 0.716], [0.675, 0.716]];

// A box is [x1, y1, x2, y2, score, landmarks] internally; the landmarks are [x, y] each.

// image -> [{x, y, width, height, score, square}], from left to right. A square is {middle, side, roll}.
// `run(name, data, dims)` returns {offsets, scores, landmarks, dims} for images packed by `tensor`.
export async function find(image, run) {
  const scale = Math.min(1, SIDE / Math.max(image.width, image.height));
  const to = (side) => Math.max(1, round(side * scale));
  const small = scale < 1 ? resizeArea(image, to(image.width), to(image.height)) : image;
  let boxes = await searched(small, run);
  if (!boxes.length) boxes = await searchedTurned(small, run);
  boxes.sort((a, b) => a[0] - b[0]);
  return boxes.map(([x1, y1, x2, y2, score, landmarks]) => {
    const box = { x: x1 / scale, y: y1 / scale, width: (x2 - x1) / scale, height: (y2 - y1) / scale };
    const square = squareOf(box, landmarks.map(([x, y]) => [x / scale, y / scale]));
    return { ...box, score, square };
  });
}

function squareOf({ x, y, width, height }, landmarks) {
  const square = fitted(landmarks), longer = Math.max(width, height);
  const [least, most] = PLAUSIBLE;
  if (least * longer <= square.side && square.side <= most * longer) return square;
  return { middle: [x + width / 2, y + height / 2], side: longer, roll: 0 };
}

function mean(points) {
  const sum = points.reduce(([a, b], [x, y]) => [a + x, b + y], [0, 0]);
  return sum.map((n) => n / points.length);
}

// The similarity transform from a level face's landmarks.
function fitted(landmarks) {
  const [mx, my] = mean(landmarks), [px, py] = mean(PLACES);
  let cos = 0, sin = 0, size = 0;
  landmarks.forEach(([x, y], i) => {
    const across = PLACES[i][0] - px, down = PLACES[i][1] - py;
    cos += (x - mx) * across + (y - my) * down;
    sin += (y - my) * across - (x - mx) * down;
    size += across ** 2 + down ** 2;
  });
  cos /= size;
  sin /= size;
  const middle = [mx + (0.5 - px) * cos - (0.5 - py) * sin, my + (0.5 - px) * sin + (0.5 - py) * cos];
  return { middle, side: Math.hypot(cos, sin), roll: (Math.atan2(sin, cos) * 180) / Math.PI };
}

async function searched(image, run) {
  let boxes = await proposed(image, run);
  boxes = await passed(image, boxes, "rnet", 24, SURE[1], run);
  boxes = withoutOverlaps(boxes, 0.7);
  boxes = await passed(image, boxes, "onet", 48, SURE[2], run);
  return aligned(image, withoutNested(boxes), run);
}

// O-Net looks again at each face, centred and turned upright.
async function aligned(image, boxes, run) {
  if (!boxes.length) return [];
  const squares = boxes.map(([x1, y1, x2, y2, , landmarks]) => ({
    middle: [(x1 + x2) / 2, (y1 + y2) / 2],
    side: Math.max(x2 - x1, y2 - y1, 1),
    roll: fitted(landmarks).roll,
  }));
  const patches = squares.map(({ middle, side, roll }) => turned(image, middle, side, roll, 48, onBlack));
  const relative = squares.map(({ side }) => [-side / 2, -side / 2, side / 2, side / 2]);
  const again = await looked(relative, patches, "onet", 48, run);
  return boxes.map((box, i) => {
    const { middle, roll } = squares[i];
    if (again[i][4] <= SURE[2]) return box;
    const upright = turnedBack(again[i], middle, roll);
    return Math.abs(roll) < TILTED ? [...box.slice(0, 5), upright[5]] : upright;
  });
}

// Searches two smaller copies of the photo, turned both ways.
async function searchedTurned(image, run) {
  const { width, height } = image, middle = [width / 2, height / 2], side = Math.hypot(width, height);
  const size = Math.ceil(side * TURNED_SCALE);
  const at = (n) => (n / size - 0.5) * side;
  const found = [];
  for (const turn of TURNS) {
    for (const box of await searched(turned(image, middle, side, turn, size, onBlack), run)) {
      if (box[4] <= TURNED_SURE) continue;
      const relative = [...box.slice(0, 4).map(at), box[4], box[5].map(([x, y]) => [at(x), at(y)])];
      found.push(turnedBack(relative, middle, turn));
    }
  }
  return withoutNested(found);
}

// A box relative to the middle of a turned square, as a box of the photo: it keeps its size.
function turnedBack([x1, y1, x2, y2, score, landmarks], middle, turn) {
  const cos = Math.cos((turn * Math.PI) / 180), sin = Math.sin((turn * Math.PI) / 180);
  const to = ([x, y]) => [middle[0] + x * cos - y * sin, middle[1] + x * sin + y * cos];
  const [x, y] = to([(x1 + x2) / 2, (y1 + y2) / 2]), w = (x2 - x1) / 2, h = (y2 - y1) / 2;
  return [x - w, y - h, x + w, y + h, score, landmarks.map(to)];
}

async function proposed(image, run) {
  const found = [];
  let small = image;
  for (let scale = WINDOW / SMALLEST; Math.min(image.width, image.height) * scale >= WINDOW; scale *= SHRINK) {
    const width = Math.ceil(image.width * scale), height = Math.ceil(image.height * scale);
    small = resizeArea(small, width, height);
    const { offsets, scores, dims } = await run("pnet", tensor([small]), [1, width, height, 3]);
    const boxes = [];
    for (let i = 0; i < dims[1] * dims[2]; i++) {
      const score = scores[2 * i + 1];
      if (score < SURE[0]) continue;
      const x = STRIDE * Math.floor(i / dims[2]) + 1, y = STRIDE * (i % dims[2]) + 1;
      const window = [x, y, x + WINDOW - 1, y + WINDOW - 1].map((n) => n / scale);
      boxes.push(moved(window, offsets.subarray(4 * i, 4 * i + 4), score));
    }
    found.push(...withoutOverlaps(boxes, 0.5));
  }
  return withoutOverlaps(found, 0.7).slice(0, MOST);
}

async function passed(image, boxes, net, side, sure, run) {
  if (!boxes.length) return [];
  const squares = boxes.map(square);
  const patches = squares.map((box) => patch(image, box, side));
  return (await looked(squares, patches, net, side, run)).filter((box) => box[4] > sure);
}

// The boxes that a network gives for the patches of `squares`.
async function looked(squares, patches, net, side, run) {
  const { offsets, scores, landmarks } = await run(net, tensor(patches), [patches.length, side, side, 3]);
  return squares.map((box, i) => {
    const [x1, y1, x2, y2] = box;
    const mark = (k) => [
      x1 + landmarks[10 * i + k] * (x2 - x1),
      y1 + landmarks[10 * i + 5 + k] * (y2 - y1),
    ];
    const found = moved(box, offsets.subarray(4 * i, 4 * i + 4), scores[2 * i + 1]);
    return [...found, landmarks ? PLACES.map((_, k) => mark(k)) : []];
  });
}

// Images of one size -> float32 [n, width, height, 3]; the networks were trained on transposed images.
export function tensor(images) {
  const [{ width, height }] = images;
  const packed = new Float32Array(images.length * width * height * 3);
  let out = 0;
  for (const { data } of images) {
    for (let x = 0; x < width; x++) {
      for (let y = 0; y < height; y++) {
        const at = 3 * (y * width + x);
        for (let c = 0; c < 3; c++) packed[out++] = (data[at + c] - 127.5) / 128;
      }
    }
  }
  return packed;
}

function moved([x1, y1, x2, y2], offsets, score) {
  const w = x2 - x1, h = y2 - y1;
  const [a, b, c, d] = offsets;
  return [x1 + a * w, y1 + b * h, x2 + c * w, y2 + d * h, score];
}

function square([x1, y1, x2, y2, score]) {
  const x = (x1 + x2) / 2, y = (y1 + y2) / 2, half = Math.max(x2 - x1, y2 - y1, 1) / 2;
  return [...[x - half, y - half, x + half, y + half].map(Math.trunc), score];
}

// The pixels of a box; black beyond the photo's edge.
function patch(image, [left, top, right, bottom], side) {
  const whole = onBlack(image, left, top, Math.max(right - left, 1), Math.max(bottom - top, 1));
  return resizeArea(whole, side, side);
}

const area = ([x1, y1, x2, y2]) => (x2 - x1) * (y2 - y1);

function shared(a, b) {
  const w = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const h = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  return Math.max(w, 0) * Math.max(h, 0);
}

function kept(boxes, apart) {
  const surest = [...boxes].sort((a, b) => b[4] - a[4]);
  return surest.reduce((all, box) => (all.every((other) => apart(box, other)) ? [...all, box] : all), []);
}

const withoutOverlaps = (boxes, most) =>
  kept(boxes, (a, b) => shared(a, b) <= most * (area(a) + area(b) - shared(a, b)));

const withoutNested = (boxes) =>
  kept(boxes, (a, b) => shared(a, b) <= 0.7 * Math.min(area(a), area(b)));
