// Loads photos, detects faces and predicts, in a worker so that the page stays responsive.

import * as ort from "./ort/ort.wasm.min.mjs";
import { find } from "./faces.js";
import { byEighths, crop, fromRgba, resizeArea, resizeExact, squeezed, toRgba } from "./pixels.js";

const PHOTO_SIDE = 2048; // pixels of the longer side to which a photo is reduced
const CROP_SIDE = 512, OBLONG = 1.25; // maximum side and aspect ratio of a face crop
const MAX_PIXELS = 64e6;
const THUMB = 192; // pixels of a thumbnail's side

const here = (name) => new URL(name, import.meta.url).href;
ort.env.wasm.wasmPaths = here("ort/");
ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency) : 1;
ort.env.logLevel = "error";

const ready = start();

async function start() {
  const response = await fetch(here("model.json"));
  if (!response.ok) throw new Error(`model.json: ${response.status} ${response.statusText}`);
  const about = await response.json();
  const sessions = {};
  for (const [name, file] of Object.entries({
    model: "model.onnx",
    pnet: "faces/pnet.onnx",
    rnet: "faces/rnet.onnx",
    onet: "faces/onet.onnx",
  })) {
    sessions[name] = await ort.InferenceSession.create(here(file), { logSeverityLevel: 3 });
  }
  return { about, sessions };
}

// For faces.js: corner offsets, P(none, face) and, by O-Net only, landmarks.
async function detect(name, data, dims) {
  const session = (await ready).sessions[name];
  const result = await session.run({ [session.inputNames[0]]: new ort.Tensor("float32", data, dims) });
  const outputs = session.outputNames.map((output) => result[output]);
  const landmarks = outputs.length === 3 ? outputs[1].data : null;
  return { offsets: outputs[0].data, scores: outputs.at(-1).data, landmarks, dims: outputs[0].dims };
}

// Crops of the model's size -> the predictions for each.
async function read(crops) {
  const { about, sessions } = await ready;
  const { size } = about.crop;
  const pixels = new Uint8Array(crops.length * size * size * 3);
  crops.forEach(({ data }, i) => pixels.set(data, i * size * size * 3));
  const image = new ort.Tensor("uint8", pixels, [crops.length, size, size, 3]);
  const outputs = Object.entries(await sessions.model.run({ image }));
  return crops.map((_, i) => {
    const found = Object.fromEntries(
      outputs.map(([name, { data, dims }]) => [
        name,
        dims.length > 1 ? Array.from(data.subarray(i * dims[1], (i + 1) * dims[1])) : data[i],
      ]),
    );
    return { ...found, at_least: reached(found.age_probabilities ?? [], about) };
  });
}

// {years: probability of being so old or older}, for the ages that have a challenge age.
function reached(p, about) {
  const sum = (part) => part.reduce((total, q) => total + q, 0);
  const thresholds = Object.keys(about.calibration.challenge ?? {});
  return Object.fromEntries(thresholds.map((t) => [t, Math.min(1, sum(p.slice(Number(t))) / sum(p))]));
}

async function opened(file) {
  const settings = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image", ...settings }).catch(() => {
    throw new Error("this browser cannot read the image");
  });
  const { width, height } = bitmap;
  if (width * height > MAX_PIXELS) throw new Error(`the image is too large, ${width} × ${height} pixels`);
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#fff"; // transparent images get a white background, as in Python
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return fromRgba(width, height, context.getImageData(0, 0, width, height).data);
}

const looksLikeCrop = ({ width, height }) =>
  Math.max(width, height) <= CROP_SIDE && Math.max(width, height) <= OBLONG * Math.min(width, height);

// As Python's decoder does: JPEGs are scaled by eighths, other large images to the exact side.
function scaled(image, jpeg) {
  const scale = Math.min(1, PHOTO_SIDE / Math.max(image.width, image.height));
  const width = Math.floor(image.width * scale), height = Math.floor(image.height * scale);
  if (scale === 1) return image;
  return jpeg ? byEighths(image, width, height) : resizeArea(image, width, height);
}

async function readings(image, jpeg) {
  const { size, margin } = (await ready).about.crop;
  if (looksLikeCrop(image)) {
    const small = resizeExact(byEighths(image, size, size), size, size);
    const [reading] = await read([small]);
    return [{ ...reading, box: null, thumb: imageData(squeezed(image, THUMB)) }];
  }
  const photo = scaled(image, jpeg);
  const boxes = await find(photo, detect);
  const cut = ({ square }, side) => crop(photo, square, margin, side);
  const found = boxes.length ? await read(boxes.map((box) => cut(box, size))) : [];
  return found.map((reading, i) => {
    const { x, y, width, height, score } = boxes[i];
    const box = {
      x: x / photo.width,
      y: y / photo.height,
      width: width / photo.width,
      height: height / photo.height,
      score,
    };
    return { ...reading, box, thumb: imageData(cut(boxes[i], THUMB)) };
  });
}

const imageData = (image) => new ImageData(toRgba(image), image.width, image.height);

// {id, file}, or {id, frame, width, height} from a camera -> {id, faces, width, height} or {id, error}.
self.onmessage = async ({ data: { id, file, frame, width, height } }) => {
  try {
    await ready;
    const image = file ? await opened(file) : fromRgba(width, height, frame);
    const faces = await readings(image, file?.type === "image/jpeg");
    self.postMessage({ id, faces, width: image.width, height: image.height });
  } catch (error) {
    self.postMessage({ id, error: String(error?.message ?? error) });
  }
};

ready.then(
  ({ about }) => self.postMessage({ about }),
  (error) => self.postMessage({ failed: String(error?.message ?? error) }),
);
