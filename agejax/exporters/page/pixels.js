// Resizing and cropping as in agejax/data/decode.py and agejax/inference/face_crop.py, which use OpenCV.
// An image is {width, height, data}, with three bytes per pixel, RGB.

export const blank = (width, height) =>
  ({ width, height, data: new Uint8ClampedArray(3 * width * height) });

// Rounds half to even, as Python and OpenCV do.
export function round(x) {
  const low = Math.floor(x), rest = x - low;
  if (rest !== 0.5) return Math.round(x);
  return low % 2 === 0 ? low : low + 1;
}

export function fromRgba(width, height, rgba) {
  const image = blank(width, height);
  for (let i = 0, j = 0; j < rgba.length; j += 4) {
    image.data[i++] = rgba[j];
    image.data[i++] = rgba[j + 1];
    image.data[i++] = rgba[j + 2];
  }
  return image;
}

export function toRgba({ width, height, data }) {
  const rgba = new Uint8ClampedArray(4 * width * height).fill(255);
  for (let i = 0, j = 0; i < data.length; j += 4) {
    rgba[j] = data[i++];
    rgba[j + 1] = data[i++];
    rgba[j + 2] = data[i++];
  }
  return rgba;
}

// For each output pixel along an axis: the first source pixel, and the weights from there on.
function areaTaps(from, to) {
  const scale = from / to;
  return Array.from({ length: to }, (_, i) => {
    const start = i * scale, end = start + scale;
    const width = Math.min(scale, from - start);
    const last = Math.min(Math.floor(end), from - 1);
    const first = Math.min(Math.ceil(start), last);
    const weights = Array(last - first).fill(1 / width);
    const head = first - start > 1e-3, tail = end - last > 1e-3;
    if (head) weights.unshift((first - start) / width);
    if (tail) weights.push(Math.min(end - last, 1, width) / width);
    return { first: head ? first - 1 : first, weights };
  });
}

// OpenCV's INTER_AREA for enlarging: linear, and sharper than INTER_LINEAR.
function enlargingTaps(from, to) {
  const scale = from / to;
  return Array.from({ length: to }, (_, i) => {
    const first = Math.floor(i * scale);
    const beyond = i + 1 - (first + 1) / scale;
    const share = beyond <= 0 ? 0 : beyond - Math.floor(beyond);
    return first >= from - 1 || share === 0
      ? { first: Math.min(first, from - 1), weights: [1] }
      : { first, weights: [1 - share, share] };
  });
}

function resampled({ width, height, data }, across, down) {
  const narrow = new Float32Array(3 * across.length * height);
  for (let y = 0, out = 0; y < height; y++) {
    for (const { first, weights } of across) {
      let r = 0, g = 0, b = 0, at = 3 * (y * width + first);
      for (const w of weights) {
        r += w * data[at++];
        g += w * data[at++];
        b += w * data[at++];
      }
      narrow[out++] = r;
      narrow[out++] = g;
      narrow[out++] = b;
    }
  }
  const row = 3 * across.length, small = blank(across.length, down.length);
  const sums = new Float32Array(row);
  down.forEach(({ first, weights }, y) => {
    sums.fill(0);
    weights.forEach((w, k) => {
      const at = (first + k) * row;
      for (let x = 0; x < row; x++) sums[x] += w * narrow[at + x];
    });
    for (let x = 0; x < row; x++) small.data[y * row + x] = round(sums[x]);
  });
  return small;
}

// cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), up to about one level.
export function resizeArea(image, width, height) {
  if (image.width === width && image.height === height) return image;
  const shrinks = image.width >= width && image.height >= height;
  const taps = shrinks ? areaTaps : enlargingTaps;
  return resampled(image, taps(image.width, width), taps(image.height, height));
}

// Bilinear in fixed point with 8 fractional bits: identical to cv2.INTER_LINEAR_EXACT.
function exactTaps(from, to) {
  const scale = from / to;
  return Array.from({ length: to }, (_, i) => {
    const at = (i + 0.5) * scale - 0.5, low = Math.floor(at);
    if (low < 0) return [0, 0, 0];
    if (low >= from - 1) return [from - 1, from - 1, 0];
    return [low, low + 1, round(256 * (at - low))];
  });
}

export function resizeExact(image, width, height) {
  if (image.width === width && image.height === height) return image;
  const across = exactTaps(image.width, width), down = exactTaps(image.height, height);
  const { data } = image, small = blank(width, height);
  const mixed = (row, [a, b, share], c) =>
    (256 - share) * data[3 * (row + a) + c] + share * data[3 * (row + b) + c];
  let out = 0;
  for (const [above, below, share] of down) {
    const top = above * image.width, bottom = below * image.width;
    for (const tap of across) {
      for (let c = 0; c < 3; c++) {
        const sum = (256 - share) * mixed(top, tap, c) + share * mixed(bottom, tap, c);
        small.data[out++] = (sum + 32768) >> 16;
      }
    }
  }
  return small;
}

// Cuts a square; beyond the edge the last pixels are repeated.
export function withEdges(image, left, top, side) {
  const inside = (i, n) => Math.min(Math.max(i, 0), n - 1);
  const square = blank(side, side);
  for (let y = 0, out = 0; y < side; y++) {
    const row = inside(top + y, image.height) * image.width;
    for (let x = 0; x < side; x++) {
      const at = 3 * (row + inside(left + x, image.width));
      square.data[out++] = image.data[at];
      square.data[out++] = image.data[at + 1];
      square.data[out++] = image.data[at + 2];
    }
  }
  return square;
}

// The same; black beyond the edge, and of any height.
export function onBlack(image, left, top, width, height = width) {
  const whole = blank(width, height);
  const from = Math.max(left, 0), to = Math.min(left + width, image.width);
  for (let y = Math.max(top, 0); y < Math.min(top + height, image.height) && from < to; y++) {
    const row = image.data.subarray(3 * (y * image.width + from), 3 * (y * image.width + to));
    whole.data.set(row, 3 * ((y - top) * width + from - left));
  }
  return whole;
}

// A square that is turned by `roll` degrees, resampled upright; as in agejax/data/face_alignment.py.
export function turned(image, [x, y], side, roll, size, cut) {
  const cos = Math.cos((roll * Math.PI) / 180), sin = Math.sin((roll * Math.PI) / 180);
  const shrink = Math.max(1, Math.floor(side / size));
  const whole = shrink * Math.ceil((side * (Math.abs(cos) + Math.abs(sin))) / shrink + 2);
  const left = Math.floor(x - whole / 2), top = Math.floor(y - whole / 2);
  const cells = whole / shrink, square = resizeArea(cut(image, left, top, whole), cells, cells);
  const out = blank(size, size), row = 3 * cells;
  const inside = (i) => Math.min(Math.max(i, 0), cells - 1);
  const fine = (n) => round(Math.fround(n) * 32) / 32; // as OpenCV interpolates
  let to = 0;
  for (let j = 0; j < size; j++) {
    const down = ((j + 0.5) / size - 0.5) * side;
    for (let i = 0; i < size; i++) {
      const across = ((i + 0.5) / size - 0.5) * side;
      const u = fine((x - left + across * cos - down * sin) / shrink - 0.5);
      const v = fine((y - top + across * sin + down * cos) / shrink - 0.5);
      const column = Math.floor(u), line = Math.floor(v), a = u - column, b = v - line;
      const one = 3 * inside(column), two = 3 * inside(column + 1);
      const above = row * inside(line), below = row * inside(line + 1);
      for (let c = 0; c < 3; c++) {
        const { data } = square;
        const upper = (1 - a) * data[above + one + c] + a * data[above + two + c];
        const lower = (1 - a) * data[below + one + c] + a * data[below + two + c];
        out.data[to++] = Math.floor((1 - b) * upper + b * lower + 0.5);
      }
    }
  }
  return out;
}

const LEVEL = 10; // degrees of roll; below, a face is cut as it is

// The square of a face and its margin, as agejax/inference/face_crop.py cuts it; `face` is a square of faces.js.
export function crop(image, { middle: [x, y], side: face, roll }, margin, size) {
  const side = Math.max(1, round(face * (1 + 2 * margin)));
  if (Math.abs(roll) >= LEVEL) return turned(image, [x, y], side, roll, size, withEdges);
  return squeezed(withEdges(image, round(x - side / 2), round(y - side / 2), side), size);
}

// Resizes to the model's size: area averaging for factors of two and more, the rest is bilinear.
export function squeezed(image, size) {
  const near = (side) => Math.max(size, Math.floor(side / Math.max(Math.floor(side / size), 1)));
  const small = Math.min(image.width, image.height) >= size
    ? resizeArea(image, near(image.width), near(image.height))
    : image;
  return resizeExact(small, size, size);
}

// Simulates libjpeg-turbo's decoding at `eighths` of a JPEG's size, which uses the low frequencies of
// each block of 8 x 8 pixels. Here they are computed from the pixels, not from the file.
function blockTaps(from, eighths) {
  const basis = (n, k, x) => Math.sqrt((k ? 2 : 1) / n) * Math.cos(((2 * x + 1) * k * Math.PI) / (2 * n));
  const weights = Array.from({ length: eighths }, (_, i) =>
    Array.from({ length: 8 }, (_, x) => {
      let sum = 0;
      for (let k = 0; k < eighths; k++) sum += basis(eighths, k, i) * basis(8, k, x);
      return sum * Math.sqrt(eighths / 8);
    }),
  );
  return Array.from({ length: Math.ceil((from * eighths) / 8) }, (_, i) => {
    const first = 8 * Math.floor(i / eighths), inside = Math.min(8, from - first);
    const own = weights[i % eighths].slice(0, inside);
    for (const w of weights[i % eighths].slice(inside)) own[inside - 1] += w; // repeats the edge
    return { first, weights: own };
  });
}

// An image as decoded at the smallest scale with at least these sides.
export function byEighths(image, width, height) {
  for (let eighths = 1; eighths < 8; eighths++) {
    const across = blockTaps(image.width, eighths), down = blockTaps(image.height, eighths);
    if (across.length >= width && down.length >= height) return resampled(image, across, down);
  }
  return image;
}
