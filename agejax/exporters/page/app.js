// The page: accepts photos, sends them to the worker, and shows the predictions.

import { labels, photoCard } from "./cards.js";

const $ = (id) => document.getElementById(id);
const status = $("status");
const NOT_LOADED = "the model could not be loaded";

$("unserved").remove(); // not reached if the page is opened as a file
status.textContent = "Loading the model …";

// A worker from a blob inherits this page's content policy; one from a file would have its own.
const script = `import ${JSON.stringify(new URL("worker.js", import.meta.url).href)};`;
const source = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
const worker = new Worker(source, { type: "module" });
const waiting = new Map();
let requested = 0;
let note = ""; // a remark on faces cut from photos

const ask = (message, transfer = []) =>
  new Promise((resolve, reject) => {
    if (document.body.dataset.state === "failed") throw new Error(NOT_LOADED);
    waiting.set(++requested, { resolve, reject });
    worker.postMessage({ id: requested, ...message }, transfer);
  });

worker.onmessage = ({ data }) => {
  if (data.about) return introduce(data.about);
  if (data.failed) return failed(data.failed);
  if (!waiting.has(data.id)) return; // rejected when the model failed
  const { resolve, reject } = waiting.get(data.id);
  waiting.delete(data.id);
  if (data.error) reject(new Error(data.error));
  else resolve(data);
};
worker.onerror = (event) => failed(event.message ?? "the worker did not start");

function introduce({ model, crop, versions, calibration, data_licence: licence }) {
  status.textContent = "";
  if (crop.margin_doubt) {
    note = `The crop margin of this model's training faces is unknown, ${crop.margin_doubt}: `
      + "ages may be wrong by years.";
  }
  document.body.dataset.state = "ready";
  const name = model.trunk.split(":").at(-1);
  const parts = [`${name}, ${crop.size} × ${crop.size} pixels per face, agejax ${versions.agejax}`];
  if (licence) parts.push(`licence of the training data: ${licence}`);
  for (const [threshold, of] of Object.entries(calibration.challenge ?? {})) {
    parts.push(`${threshold}: ${challenge(threshold, of)}`);
  }
  parts.push("face detection: MTCNN", "runtime: onnxruntime-web");
  $("model").textContent = parts.join(" · ");
}

// The limits at which few under a threshold pass, as they were fitted.
function challenge(threshold, { age, probability, pass_under: share, confidence, n }) {
  const limits = [];
  if (age !== null) limits.push(`challenge age ${age}`);
  if (probability !== null) limits.push(`probability ${probability}`);
  return `${limits.join(" or ") || "nobody passes"}, for at most ${+(100 * share).toPrecision(3)}% under ${threshold} `
    + `to pass, with ${+(100 * confidence).toPrecision(4)}% confidence, by ${n} faces`;
}

function failed(why) {
  status.textContent = `The model could not be loaded: ${why}`;
  document.body.dataset.state = "failed";
  for (const { reject } of waiting.values()) reject(new Error(NOT_LOADED));
  waiting.clear();
}

// Processes photos one by one; the newest is on top.
async function take(files) {
  for (const file of files) {
    const card = photoCard(file);
    $("results").prepend(card.element);
    document.body.dataset.reading = "";
    try {
      card.show(await ask({ file }), note);
    } catch (error) {
      card.fail(error.message);
    }
    delete document.body.dataset.reading;
  }
}

$("choose").onclick = () => $("files").click();
$("files").onchange = ({ target }) => {
  take([...target.files]);
  target.value = "";
};

document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.dataset.over = "";
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) delete document.body.dataset.over;
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  delete document.body.dataset.over;
  take([...event.dataTransfer.files]);
});
document.addEventListener("paste", ({ clipboardData }) => take([...clipboardData.files]));

// The camera: predicts frame after frame, as fast as possible.
const video = $("video");
const canvas = document.createElement("canvas");

function frame() {
  const scale = Math.min(1, 640 / video.videoWidth);
  canvas.width = Math.round(video.videoWidth * scale);
  canvas.height = Math.round(video.videoHeight * scale);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(video, 0, 0, canvas.width, canvas.height);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

async function watch(stream) {
  while (stream.active && video.srcObject === stream) {
    const { data, width, height } = frame();
    const found = await ask({ frame: data, width, height }, [data.buffer]);
    document.querySelector("#live .boxes").replaceChildren(...labels(found.faces));
    await new Promise(requestAnimationFrame);
  }
}

$("camera").onclick = async () => {
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user" } });
    video.srcObject = stream;
    await video.play();
    $("live").hidden = false;
    $("invitation").hidden = true;
    status.textContent = note;
    watch(stream).catch((error) => stop(`The camera image could not be read: ${error.message}`));
  } catch {
    status.textContent = "No camera found, or this page is not allowed to use it.";
  }
};

function stop(why = "") {
  video.srcObject?.getTracks().forEach((track) => track.stop());
  video.srcObject = null;
  $("live").hidden = true;
  $("invitation").hidden = false;
  document.querySelector("#live .boxes").replaceChildren();
  status.textContent = why;
}

$("stop").onclick = () => stop();
$("take").onclick = () => {
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d").drawImage(video, 0, 0);
  canvas.toBlob((blob) => take([new File([blob], "camera", { type: blob.type })]), "image/png");
};
