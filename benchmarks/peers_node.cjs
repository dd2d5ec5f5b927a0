// The side of the npm packages in `peers.py`; `NODE_PATH` names their `node_modules`.
//
//     node peers_node.cjs human|face-api VARIANT ROOT LIST OUT
//
// It follows the protocol of `turns.serve`: for every number n on standard input it reads the next
// n files of LIST, which are relative to ROOT, appends a row of each to OUT (the file, the age, the
// probability of a man, whether the detector found the face), and sends its seconds. TensorFlow.js
// runs on its WASM backend, as the native one downloads a library when it is installed.
//
// Variants: "whole", the crop goes to the network as it is; else a detector cuts the face ("tiny"
// or "ssd" with face-api, "detect" with human), and the whole crop is read where it finds none;
// "padded", the same with a border around the crop, as detectors miss faces that fill an image.

const fs = require('fs');
const path = require('path');
const readline = require('readline');
const sharp = require('sharp');

const BORDER = 0.25; // of the side
const [, , name, variant, root, list, out] = process.argv;
const modules = process.env.NODE_PATH;
const folder = (...parts) => path.join(modules, ...parts) + path.sep;
const wasm = folder('@tensorflow', 'tfjs-backend-wasm', 'dist');

async function pixels(tf, file, padded = false) {
  let image = sharp(file).toColourspace('srgb').removeAlpha();
  if (padded) {
    const { width, height } = await image.metadata();
    const [x, y] = [Math.round(width * BORDER), Math.round(height * BORDER)];
    image = image.extend({ left: x, right: x, top: y, bottom: y, background: 'black' });
  }
  const { data, info } = await image.raw().toBuffer({ resolveWithObject: true });
  return tf.tensor3d(new Uint8Array(data), [info.height, info.width, info.channels], 'int32');
}

async function disposed(image, use) {
  const tensor = await image;
  try {
    return await use(tensor);
  } finally {
    tensor.dispose();
  }
}

// The packages load models by fetch, which does not read files.
function fetchFiles() {
  const fetched = globalThis.fetch;
  globalThis.fetch = async (url, options) => (String(url).startsWith('file:')
    ? new Response(fs.readFileSync(new URL(url)))
    : fetched(url, options));
}

async function faceApi() {
  const tf = require('@tensorflow/tfjs');
  require('@tensorflow/tfjs-backend-wasm').setWasmPaths(wasm);
  await tf.setBackend('wasm');
  await tf.ready();
  const api = require(path.join(folder('@vladmandic', 'face-api', 'dist'), 'face-api.node-wasm.js'));
  const { ageGenderNet, faceLandmark68Net, ...nets } = api.nets;
  const [detector, options] = variant === 'ssd'
    ? [nets.ssdMobilenetv1, new api.SsdMobilenetv1Options({ minConfidence: 0.2, maxResults: 1 })]
    : [nets.tinyFaceDetector, new api.TinyFaceDetectorOptions({ inputSize: 224, scoreThreshold: 0.2 })];
  for (const net of [detector, faceLandmark68Net, ageGenderNet]) {
    await net.loadFromDisk(folder('@vladmandic', 'face-api', 'model'));
  }
  return async (file) => {
    const found = variant === 'whole' ? undefined
      : await disposed(pixels(tf, file, variant === 'padded'), (image) => api
        .detectSingleFace(image, options).withFaceLandmarks().withAgeAndGender());
    const face = found
      ?? await disposed(pixels(tf, file), (image) => ageGenderNet.predictAgeAndGender(image));
    const p = face.genderProbability;
    return [face.age, face.gender === 'male' ? p : 1 - p, found ? 1 : 0];
  };
}

async function human() {
  fetchFiles();
  const { Human } = require(path.join(folder('@vladmandic', 'human', 'dist'), 'human.node-wasm.js'));
  const off = { enabled: false };
  const face = {
    enabled: true, iris: off, emotion: off, detector: { maxDetected: 1, rotation: true }, description: { minConfidence: 0 },
  };
  const instance = new Human({
    backend: 'wasm',
    wasmPath: wasm,
    modelBasePath: `file://${folder('@vladmandic', 'human', 'models')}`,
    debug: false,
    cacheSensitivity: 0,
    skipAllowed: false,
    face,
    body: off,
    hand: off,
    gesture: off,
    object: off,
  });
  await instance.load();
  const { tf } = instance;
  const faceres = instance.models.models.faceres;
  const ofWhole = (image) => tf.tidy(() => {
    const size = faceres.inputs[0].shape.slice(1, 3);
    const all = faceres.execute(tf.image.resizeBilinear(tf.expandDims(tf.cast(image, 'float32'), 0), size));
    const [male] = all.find((t) => t.shape[1] === 1).dataSync();
    const ages = all.find((t) => t.shape[1] === 100).dataSync();
    const k = ages.indexOf(Math.max(...ages));
    const age = ages[k - 1] > ages[k + 1] ? k - 10 * ages[k - 1] : k + 10 * (ages[k + 1] ?? 0);
    return [age, male, 0];
  });
  return async (file) => {
    if (variant !== 'whole') {
      const { face: [found] } = await disposed(
        pixels(tf, file, variant === 'padded'),
        (image) => instance.detect(image),
      );
      if (found?.age) {
        const score = (found.genderScore ?? 0) / 2;
        return [found.age, found.gender === 'male' ? 0.5 + score : 0.5 - score, 1];
      }
    }
    return disposed(pixels(tf, file), ofWhole);
  };
}

async function main() {
  const files = fs.readFileSync(list, 'utf8').split('\n').filter(Boolean);
  const read = await { human, 'face-api': faceApi }[name]();
  const answers = Number(process.env.TURNS_ANSWERS);
  let next = 0;
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const rows = [];
    const start = performance.now();
    for (let i = 0; i < Number(line); i += 1, next += 1) {
      const file = files[next % files.length];
      rows.push([file, ...await read(path.join(root, file))].join(','));
    }
    const seconds = (performance.now() - start) / 1000;
    fs.appendFileSync(out, `${rows.join('\n')}\n`);
    fs.writeSync(answers, `${seconds}\n`);
  }
}

main();
