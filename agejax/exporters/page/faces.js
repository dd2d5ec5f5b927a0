// Face detection by MTCNN (Zhang et al., IEEE SPL 2016); a port of agejax/data/face_detection.py.

import { blank, resizeArea, round } from "./pixels.js";

const SIDE = 960; // pixels of the longer side of the searched image
const SMALLEST = 24; // pixels of the smallest face in it
const WINDOW = 12, STRIDE = 2, SHRINK = 0.709; // P-Net's, and the factor between pyramid levels
const SURE = [0.6, 0.7, 0.7]; // minimum scores of P-, R- and O-Net
const MOST = 400; // maximum number of windows for R-Net

// A box is [x1, y1, x2, y2, score] internally.

// image -> [{x, y, width, height, score}], from left to right. `run(name, data, dims)` returns
// {offsets, scores, dims} for images packed by `tensor`.
export async function find(image, run) {
  const scale = Math.min(1, SIDE / Math.max(image.width, image.height));
  const to = (side) => Math.max(1, round(side * scale));
  const small = scale < 1 ? resizeArea(image, to(image.width), to(image.height)) : image;
  let boxes = await proposed(small, run);
  boxes = await passed(small, boxes, "rnet", 24, SURE[1], run);
  boxes = withoutOverlaps(boxes, 0.7);
  boxes = await passed(small, boxes, "onet", 48, SURE[2], run);
  boxes = withoutNested(boxes).sort((a, b) => a[0] - b[0]);
  return boxes.map(([x1, y1, x2, y2, score]) => ({
    x: x1 / scale,
    y: y1 / scale,
    width: (x2 - x1) / scale,
    height: (y2 - y1) / scale,
    score,
  }));
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
  const { offsets, scores } = await run(net, tensor(patches), [boxes.length, side, side, 3]);
  return squares
    .map((box, i) => moved(box, offsets.subarray(4 * i, 4 * i + 4), scores[2 * i + 1]))
    .filter((box) => box[4] > sure);
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
  const whole = blank(Math.max(right - left, 1), Math.max(bottom - top, 1));
  const from = Math.max(left, 0), to = Math.min(right, image.width);
  for (let y = Math.max(top, 0); y < Math.min(bottom, image.height) && from < to; y++) {
    const row = image.data.subarray(3 * (y * image.width + from), 3 * (y * image.width + to));
    whole.data.set(row, 3 * ((y - top) * whole.width + from - left));
  }
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
