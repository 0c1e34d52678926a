// The page: what the controls say goes to the service, what comes back is shown. While a slider is dragged drafts are
// drawn, one at a time, always of its newest place.

import * as api from "./api.js";
import "./before-after.js";
import { Controls } from "./controls.js";
import { drawConstellation, duration, listStages } from "./drawing.js";
import { Camera, Live } from "./live.js";

const $ = (id) => document.getElementById(id);
const OF_A_PICTURE = ["save-picture", "save-symbols", "save-report", "compare"];
const OF_ARRIVING = ["first", "play"];
const PLAY_MS = 500;
const BUSY_MS = 400;
const view = $("view");
const say = (id, text = "") => ($(id).textContent = text);
const state = { photo: null, result: null, running: false, wanted: null, playing: 0 };

const controls = new Controls({ change, draft: (field) => change(field, true) });
const camera = new Camera($("video"));
const live = new Live(camera, showFrame, (text) => {
  say("camera-error", text);
  if (!live.on) pressed("live", false);
});

function pressed(id, on) {
  $(id).setAttribute("aria-pressed", on);
}

function change(field, draft = false) {
  hatch();
  if (live.on) return live.ask(controls.asked());
  redraw(field, draft);
}

// Photographs

async function take(blob, aligned, name) {
  stopLive();
  say("source-error");
  say("source-note", "Finding the face …");
  try {
    const before = state.photo;
    const photo = await api.keep(blob, aligned);
    if (before) api.forget(before.id);
    state.photo = { ...photo, blob, aligned, name: name.replace(/\.[^.]*$/, "") };
    say("source-note", photo.note);
    view.show({ sent: URL.createObjectURL(api.blob(photo.sent, "image/png")) });
    const labels = photo.labels && api.bytes(photo.labels);
    view.setParts(labels, controls.model.parts);
    controls.offerParts(labels);
    for (const id of ["separation", "deep-jscc"]) clearOther(id);
    hatch();
    await redraw("photo", false);
  } catch (error) {
    say("source-note");
    say("source-error", error.message);
  }
}

async function redraw(field, draft) {
  if (!state.photo) return;
  state.wanted = { field, draft };
  if (state.running) return;
  state.running = true;
  const busy = setTimeout(() => view.setAttribute("aria-busy", true), BUSY_MS);
  while (state.wanted) {
    const { field, draft } = state.wanted;
    state.wanted = null;
    await drawn(field, draft);
  }
  clearTimeout(busy);
  view.removeAttribute("aria-busy");
  state.running = false;
}

const OF_K = /^(k = |codes alone )/i;
const ERRORS = { k: "k-error", channel: "channel-error", hide: "hide-error", photo: "view-error", snr: "channel-error" };

async function drawn(field, draft) {
  const start = performance.now();
  const asked = { ...controls.asked(), first: controls.first(), draft };
  try {
    const result = await viewed(asked);
    for (const id of new Set(Object.values(ERRORS))) say(id);
    Object.assign(state, { result, asked, failing: null });
    view.show({ received: URL.createObjectURL(api.blob(result.received, result.media_type)) });
    showFigures(result, performance.now() - start);
    for (const id of OF_A_PICTURE) $(id).disabled = draft;
    hatch();
  } catch (error) {
    // What is wrong stays wrong until something works again, whatever is dragged meanwhile.
    state.failing ??= OF_K.test(error.message) ? "k" : field;
    say(ERRORS[state.failing] ?? "view-error", error.message);
    if (state.failing !== "hide") return;
    controls.takeBack();
    state.failing = null;
    hatch();
  }
}

/** A photograph that the service no longer keeps is given to it again. */
async function viewed(asked) {
  try {
    return await api.view(state.photo.id, asked);
  } catch (error) {
    if (error.status !== 404) throw error;
    Object.assign(state.photo, await api.keep(state.photo.blob, state.photo.aligned));
    return api.view(state.photo.id, asked);
  }
}

function showFigures(result, milliseconds) {
  const { report } = result;
  const parts = [`<strong>PSNR ${report.psnr_db?.toFixed(2) ?? "∞"} dB</strong>`];
  if (report.lpips_alex !== null) parts.push(`<strong>LPIPS(alex) ${report.lpips_alex.toFixed(3)}</strong>`);
  parts.push(`k&nbsp;=&nbsp;${report.k}`, `${report.complex_symbols} complex symbols`, `k/n&nbsp;=&nbsp;${report.ratio}`);
  if (report.hidden.length) parts.push(`hidden: ${report.hidden.join(", ")} (${report.privacy})`);
  parts.push(`${report.snr_db} dB`, `<span id="took">${duration(milliseconds / 1000)}</span>`);
  $("figures").innerHTML = parts.join(" · ");
  $("others").hidden = false;
  showReceived(result.symbols, result.received_snr_db);
  listStages($("stages"), report.seconds, ["align", "invert"]);
}

function showReceived(symbols, snr) {
  $("measured").hidden = false;
  drawConstellation($("constellation"), symbols);
  const at = snr === null || snr === undefined ? "" : `, received at ${snr.toFixed(1)} dB`;
  say("constellation-text", `${symbols.length / 2} complex symbols${at}`);
}

function hatch() {
  const hidden = controls.hidden();
  const { result, photo } = state;
  if (!hidden.size || !photo?.labels || live.on) return view.hatch(() => false);
  const same = result?.private && [...hidden].every((part) => result.report.hidden.includes(part));
  if (same && result.report.hidden.length === hidden.size) {
    const region = api.bytes(result.private);
    return view.hatch((i) => region[i]);
  }
  const labels = view.labels;
  view.hatch((i) => hidden.has(controls.model.parts[labels[i]]));
}

view.addEventListener("part", (event) => controls.toggle(event.detail));

$("file").addEventListener("change", (event) => {
  const [file] = event.target.files;
  if (file) take(file, $("aligned").checked, file.name);
  event.target.value = "";
});
for (const kind of ["dragenter", "dragover", "dragleave", "drop"])
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", kind === "dragover" || kind === "dragenter");
    const [file] = kind === "drop" ? event.dataTransfer.files : [];
    if (file) take(file, $("aligned").checked, file.name);
  });

async function listExamples() {
  for (const { number, name, aligned } of await api.examples()) {
    const blob = await api.example(number);
    const button = Object.assign(document.createElement("button"), { type: "button", title: name });
    button.append(Object.assign(new Image(), { src: URL.createObjectURL(blob), alt: name }));
    button.addEventListener("click", () => take(blob, aligned, name.replaceAll(" ", "-")));
    $("examples").append(button);
  }
}

// Camera

$("camera").addEventListener("click", async () => {
  say("source-error");
  say("camera-error");
  stopLive();
  if (camera.on) camera.stop();
  else await camera.start().catch((error) => say("source-error", error.message));
  $("camera-box").hidden = !camera.on;
  pressed("camera", camera.on);
});
$("shoot").addEventListener("click", async () => take(await camera.picture(), false, "camera"));
$("live").addEventListener("click", () => {
  say("camera-error");
  if (live.on) {
    stopLive();
    if (state.photo) {
      view.show({ sent: URL.createObjectURL(api.blob(state.photo.sent, "image/png")) });
      redraw("photo", false);
    }
    return;
  }
  view.setParts(null);
  live.start(controls.asked());
  for (const id of [...OF_A_PICTURE, ...OF_ARRIVING]) $(id).disabled = true;
  hatch();
  pressed("live", true);
});

function stopLive() {
  live.stop();
  for (const id of OF_ARRIVING) $(id).disabled = false;
  pressed("live", false);
  say("rate");
}

function showFrame(figures, sent, received) {
  say("camera-error");
  const address = (data) => URL.createObjectURL(new Blob([data], { type: "image/jpeg" }));
  view.show({ sent: address(sent), received: address(received) });
  say("rate", `${live.rate.toFixed(1)} frames/s`);
  const quality = figures.psnr_db?.toFixed(1) ?? "∞";
  say("figures", `Live: PSNR ${quality} dB · k = ${figures.k} · ${figures.snr_db} dB · ${duration(figures.seconds)} from camera to picture`);
  showReceived(figures.symbols);
  listStages($("stages"), figures.stages);
}

// The picture as symbols arrive

$("play").addEventListener("click", async () => {
  const turn = ++state.playing;
  for (let stop = 0; stop <= controls.lastStop && turn === state.playing; stop++) {
    controls.showStop(stop);
    await Promise.all([redraw("k", stop < controls.lastStop), new Promise((resolve) => setTimeout(resolve, PLAY_MS))]);
  }
});

// Files

function save(blob, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

$("save-picture").addEventListener("click", () =>
  save(api.blob(state.result.received, state.result.media_type), `${state.photo.name}.received.png`),
);
$("save-report").addEventListener("click", () => {
  const report = [{ ...state.result.report, photo: state.photo.name }];
  save(new Blob([JSON.stringify(report, null, 2)], { type: "application/json" }), `${state.photo.name}.report.json`);
});
$("save-symbols").addEventListener("click", async () => {
  try {
    save(await api.symbols(state.photo.id, controls.asked()), `${state.photo.name}.safetensors`);
  } catch (error) {
    say("view-error", error.message);
  }
});

// Other schemes

function clearOther(id) {
  $(`${id}-picture`).hidden = true;
  say(`${id}-text`);
}

$("compare").addEventListener("click", async () => {
  const { hide, mode, codes_only, ...asked } = controls.asked();
  $("compare").disabled = true;
  $("cards").hidden = false;
  await Promise.all(["deep-jscc", "separation"].map((scheme) => compared(scheme, asked)));
  $("compare").disabled = false;
});

async function compared(scheme, asked) {
  clearOther(scheme);
  say(`${scheme}-text`, "… working");
  try {
    const found = await api.other(state.photo.id, scheme, asked);
    const picture = $(`${scheme}-picture`);
    picture.hidden = !found.received;
    picture.alt = `Received by ${scheme}`;
    if (found.received) picture.src = `data:image/png;base64,${found.received}`;
    const figures = [`k = ${asked.k}, ${asked.snr_db} dB`];
    if (found.psnr_db !== null) figures.push(`PSNR ${found.psnr_db.toFixed(2)} dB`);
    if (found.lpips_alex !== null) figures.push(`LPIPS(alex) ${found.lpips_alex.toFixed(3)}`);
    say(`${scheme}-text`, [...figures, found.note, `${found.seconds.toFixed(1)} s`].filter(Boolean).join(" · "));
  } catch (error) {
    say(`${scheme}-text`, error.message);
  }
}

async function begin() {
  try {
    const [model] = await api.models();
    controls.begin(model);
    say("model", `Model ${model.name}; ${model.licence}.`);
    await listExamples();
  } catch (error) {
    say("source-error", error.message);
  }
}

addEventListener("pagehide", () => state.photo && api.forget(state.photo.id));
begin();
