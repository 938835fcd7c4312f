"use strict";

const COLOURS = [[230, 159, 0], [86, 180, 233], [0, 158, 115], [240, 228, 66], [213, 94, 0], [204, 121, 167]];
const TOOLS = { brush: "Brush", eraser: "Eraser", polygon: "Polygon", flood: "Flood", segments: "Superpixels" };
const KEYS = { b: "brush", e: "eraser", p: "polygon", f: "flood", s: "segments" };
const MOST_STEPS = 40;
const SAVE_AFTER = 250;

const byId = (id) => document.getElementById(id);
const canvas = byId("canvas");
const pen = canvas.getContext("2d");
const state = {
  study: null, place: 0, width: 0, height: 0, picture: null, pixels: null, layers: {}, mask: "", tool: "brush",
  scale: 1, left: 0, top: 0, cross: [0, 0], corners: [], stroke: null, pan: null, segments: null, wanted: 0,
};

function say(text) { byId("status").textContent = text; }

async function asked(address, options) {
  const answer = await fetch(address, options);
  if (!answer.ok) throw new Error(await answer.text());
  return answer;
}

/* ------------------------------------------------------------------ layers: one mask of one picture */

function layerOf(name, bits) {
  const tint = document.createElement("canvas");
  tint.width = state.width; tint.height = state.height;
  const layer = { name, place: state.place, bits, tint, shown: true, past: [], future: [], timer: 0, busy: false, again: false };
  tinted(layer);
  return layer;
}

function colourOf(name) { return COLOURS[state.study.masks.indexOf(name) % COLOURS.length]; }

function tinted(layer) {
  const context = layer.tint.getContext("2d");
  const image = context.createImageData(state.width, state.height);
  const [red, green, blue] = colourOf(layer.name);
  for (let at = 0; at < layer.bits.length; at += 1) {
    if (layer.bits[at]) {
      image.data[4 * at] = red; image.data[4 * at + 1] = green; image.data[4 * at + 2] = blue; image.data[4 * at + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
}

async function bitsOf(name, place) {
  const answer = await asked(`/mask/${name}/${place}`);
  const bits = new Uint8Array(state.width * state.height);
  if (answer.status === 204) return bits;
  const image = await createImageBitmap(await answer.blob());
  if (image.width !== state.width || image.height !== state.height) {
    say(`The mask ${name} that is there has another size and is left alone.`);
    return bits;
  }
  const values = pixelsOf(image).data;
  for (let at = 0; at < bits.length; at += 1) bits[at] = values[4 * at] > 127 ? 1 : 0;
  return bits;
}

function pixelsOf(image) {
  const sheet = document.createElement("canvas");
  sheet.width = image.width; sheet.height = image.height;
  const context = sheet.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, image.width, image.height);
}

function begin(layer) {
  layer.past.push(layer.bits.slice());
  if (layer.past.length > MOST_STEPS) layer.past.shift();
  layer.future = [];
}

function ended(layer) {
  tinted(layer); draw();
  clearTimeout(layer.timer);
  layer.timer = setTimeout(() => save(layer), SAVE_AFTER);
}

/* one save of a picture at a time, so that an older one never overwrites a newer one */
async function save(layer) {
  clearTimeout(layer.timer); layer.timer = 0;
  if (layer.busy) { layer.again = true; return; }
  layer.busy = true;
  try {
    const sheet = document.createElement("canvas");
    sheet.width = layer.tint.width; sheet.height = layer.tint.height;
    const context = sheet.getContext("2d");
    const image = context.createImageData(sheet.width, sheet.height);
    for (let at = 0; at < layer.bits.length; at += 1) {
      const value = layer.bits[at] ? 255 : 0;
      image.data[4 * at] = value; image.data[4 * at + 1] = value; image.data[4 * at + 2] = value; image.data[4 * at + 3] = 255;
    }
    context.putImageData(image, 0, 0);
    const content = await new Promise((done) => sheet.toBlob(done, "image/png"));
    const answer = await asked(`/mask/${layer.name}/${layer.place}`, { method: "POST", body: content });
    const { share } = await answer.json();
    const sample = state.study.samples[layer.place];
    if (!sample.done.includes(layer.name)) sample.done.push(layer.name);
    named(layer.place);
    say(`Saved: ${layer.name} of ${sample.id} marks ${(100 * share).toFixed(1)} % of the picture.`);
  } catch (error) {
    say(`Not saved: ${error.message}`);
  } finally {
    layer.busy = false;
    if (layer.again) { layer.again = false; save(layer); }
  }
}

function leave() { for (const layer of Object.values(state.layers)) if (layer.timer) save(layer); }

/* ------------------------------------------------------------------ tools */

function chosen() { return state.layers[state.mask]; }

function disc(layer, x, y, value) {
  const radius = Number(byId("size").value) / 2;
  for (let row = Math.max(0, Math.floor(y - radius)); row <= Math.min(state.height - 1, Math.ceil(y + radius)); row += 1) {
    for (let column = Math.max(0, Math.floor(x - radius)); column <= Math.min(state.width - 1, Math.ceil(x + radius)); column += 1) {
      if ((column + 0.5 - x) ** 2 + (row + 0.5 - y) ** 2 < Math.max(radius, 0.5) ** 2) layer.bits[row * state.width + column] = value;
    }
  }
}

function line(layer, from, to, value) {
  const steps = Math.max(1, Math.ceil(2 * Math.hypot(to[0] - from[0], to[1] - from[1]) / Math.max(1, Number(byId("size").value) / 2)));
  for (let step = 0; step <= steps; step += 1) {
    disc(layer, from[0] + (to[0] - from[0]) * step / steps, from[1] + (to[1] - from[1]) * step / steps, value);
  }
}

/* a pixel belongs to a polygon when its centre does, as in every mask that is read */
function fillPolygon(layer, corners) {
  for (let row = 0; row < state.height; row += 1) {
    const y = row + 0.5;
    const crossed = [];
    corners.forEach(([x1, y1], at) => {
      const [x2, y2] = corners[(at + 1) % corners.length];
      if ((y1 <= y) !== (y2 <= y)) crossed.push(x1 + (y - y1) * (x2 - x1) / (y2 - y1));
    });
    crossed.sort((one, other) => one - other);
    for (let at = 0; at + 1 < crossed.length; at += 2) {
      const first = Math.max(0, Math.ceil(crossed[at] - 0.5));
      for (let column = first; column < state.width && column + 0.5 < crossed[at + 1]; column += 1) layer.bits[row * state.width + column] = 1;
    }
  }
}

function flood(layer, x, y) {
  const start = Math.floor(y) * state.width + Math.floor(x);
  const tolerance = Number(byId("tolerance").value);
  const values = state.pixels.data;
  const seen = new Uint8Array(layer.bits.length);
  const todo = [start];
  seen[start] = 1;
  const near = (at) => [0, 1, 2].every((part) => Math.abs(values[4 * at + part] - values[4 * start + part]) <= tolerance);
  while (todo.length) {
    const at = todo.pop();
    layer.bits[at] = 1;
    const column = at % state.width;
    for (const next of [column ? at - 1 : -1, column + 1 < state.width ? at + 1 : -1, at - state.width, at + state.width]) {
      if (next >= 0 && next < seen.length && !seen[next] && near(next)) { seen[next] = 1; todo.push(next); }
    }
  }
}

async function segmented() {
  const count = Number(byId("count").value);
  if (state.segments && state.segments.count === count && state.segments.place === state.place) return state.segments.labels;
  const place = state.place;
  say("Finding superpixels.");
  const answer = await asked(`/segments/${place}?count=${count}`);
  const labels = new Uint16Array(await answer.arrayBuffer());
  state.segments = { count, place, labels };
  say("Superpixels are found; mark them one by one.");
  return labels;
}

async function toggleSegment(layer, x, y) {
  const labels = await segmented();
  if (layer !== chosen()) return;
  const at = Math.floor(y) * state.width + Math.floor(x);
  const value = layer.bits[at] ? 0 : 1;
  begin(layer);
  for (let other = 0; other < labels.length; other += 1) if (labels[other] === labels[at]) layer.bits[other] = value;
  ended(layer);
}

function closePolygon() {
  if (state.corners.length > 2) {
    const layer = chosen();
    begin(layer); fillPolygon(layer, state.corners); ended(layer);
  }
  state.corners = []; draw();
}

function inside(x, y) { return x >= 0 && y >= 0 && x < state.width && y < state.height; }

function act(x, y) {
  const layer = chosen();
  if (!layer || !inside(x, y)) return;
  if (state.tool === "polygon") { state.corners.push([x, y]); draw(); return; }
  if (state.tool === "segments") { toggleSegment(layer, x, y).catch((error) => say(error.message)); return; }
  begin(layer);
  if (state.tool === "flood") flood(layer, x, y); else disc(layer, x, y, state.tool === "brush" ? 1 : 0);
  ended(layer);
}

function back(from, to) {
  const layer = chosen();
  if (!layer || !layer[from].length) { say("There is nothing more to change back."); return; }
  layer[to].push(layer.bits);
  layer.bits = layer[from].pop();
  ended(layer);
}

/* ------------------------------------------------------------------ view */

function fit() {
  const box = canvas.getBoundingClientRect();
  state.scale = Math.min(box.width / state.width, box.height / state.height) * 0.96;
  state.left = (box.width - state.width * state.scale) / 2;
  state.top = (box.height - state.height * state.scale) / 2;
  draw();
}

function zoom(factor, x, y) {
  const box = canvas.getBoundingClientRect();
  const [atX, atY] = [x ?? box.width / 2, y ?? box.height / 2];
  const scale = Math.min(64, Math.max(0.02, state.scale * factor));
  state.left = atX - (atX - state.left) * scale / state.scale;
  state.top = atY - (atY - state.top) * scale / state.scale;
  state.scale = scale;
  draw();
}

function draw() {
  const box = canvas.getBoundingClientRect();
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [Math.max(1, Math.round(box.width * ratio)), Math.max(1, Math.round(box.height * ratio))];
  if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.clearRect(0, 0, canvas.width, canvas.height);
  if (!state.picture) return;
  pen.setTransform(ratio * state.scale, 0, 0, ratio * state.scale, ratio * state.left, ratio * state.top);
  pen.imageSmoothingEnabled = state.scale < 1;
  pen.drawImage(state.picture, 0, 0);
  pen.globalAlpha = Number(byId("opacity").value) / 100;
  for (const layer of Object.values(state.layers)) if (layer.shown) pen.drawImage(layer.tint, 0, 0);
  pen.globalAlpha = 1;
  const thin = 1 / state.scale;
  if (state.corners.length) {
    pen.lineWidth = 2 * thin; pen.strokeStyle = "#fff"; pen.beginPath();
    state.corners.forEach(([x, y], at) => (at ? pen.lineTo(x, y) : pen.moveTo(x, y)));
    pen.stroke();
    for (const [x, y] of state.corners) { pen.fillStyle = "#b35900"; pen.fillRect(x - 3 * thin, y - 3 * thin, 6 * thin, 6 * thin); }
  }
  if (document.activeElement === canvas) {
    const [x, y] = [state.cross[0] + 0.5, state.cross[1] + 0.5];
    for (const [colour, wide] of [["#000", 3], ["#fff", 1]]) {
      pen.lineWidth = wide * thin; pen.strokeStyle = colour; pen.beginPath();
      pen.moveTo(x - 9 * thin, y); pen.lineTo(x + 9 * thin, y); pen.moveTo(x, y - 9 * thin); pen.lineTo(x, y + 9 * thin);
      pen.stroke();
    }
  }
}

function pointAt(event) {
  const box = canvas.getBoundingClientRect();
  return [(event.clientX - box.left - state.left) / state.scale, (event.clientY - box.top - state.top) / state.scale];
}

/* ------------------------------------------------------------------ the study */

function named(place) {
  const sample = state.study.samples[place];
  const option = byId("sample").options[place];
  if (option) option.textContent = `${sample.done.length ? "\u2713 " : ""}${sample.id} ${sample.label}`;
}

async function open(place) {
  if (place < 0 || place >= state.study.samples.length) { say("There are no more pictures."); return; }
  leave();
  const turn = state.wanted += 1;
  say("Loading the picture.");
  const picture = await createImageBitmap(await (await asked(`/picture/${place}`)).blob());
  if (turn !== state.wanted) return;
  Object.assign(state, { place, picture, width: picture.width, height: picture.height, layers: {}, corners: [], stroke: null });
  state.pixels = pixelsOf(picture);
  state.cross = [Math.floor(picture.width / 2), Math.floor(picture.height / 2)];
  for (const name of state.study.masks) {
    const bits = await bitsOf(name, place);
    if (turn !== state.wanted) return;
    state.layers[name] = layerOf(name, bits);
  }
  byId("sample").value = String(place);
  byId("previous").disabled = place === 0;
  byId("next").disabled = place === state.study.samples.length - 1;
  say(`Picture ${place + 1} of ${state.study.samples.length}: ${state.study.samples[place].id}.`);
  fit();
}

function choose(tool) {
  state.tool = tool; state.corners = [];
  for (const button of byId("tool").children) button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
  say(`${TOOLS[tool]} is chosen.`);
  draw();
}

function built() {
  for (const [tool, text] of Object.entries(TOOLS)) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", textContent: text });
    button.dataset.tool = tool;
    button.addEventListener("click", () => choose(tool));
    byId("tool").append(button);
  }
  state.study.masks.forEach((name, at) => {
    const row = document.createElement("div");
    row.className = "mask";
    const swatch = document.createElement("canvas");
    swatch.className = "swatch"; swatch.width = swatch.height = 16;
    swatch.setAttribute("aria-hidden", "true");
    const context = swatch.getContext("2d");
    context.fillStyle = `rgb(${colourOf(name).join(",")})`; context.fillRect(0, 0, 16, 16);
    const pick = Object.assign(document.createElement("input"), { type: "radio", name: "mask", id: `mask-${name}`, value: name, checked: at === 0 });
    pick.addEventListener("change", () => { state.mask = name; state.corners = []; draw(); });
    const label = Object.assign(document.createElement("label"), { htmlFor: pick.id, textContent: name });
    const show = Object.assign(document.createElement("input"), { type: "checkbox", checked: true, id: `show-${name}` });
    show.setAttribute("aria-label", `show ${name}`);
    show.addEventListener("change", () => { state.layers[name].shown = show.checked; draw(); });
    row.append(swatch, pick, label, show);
    byId("masks").append(row);
  });
  state.study.samples.forEach((sample, place) => {
    byId("sample").append(Object.assign(document.createElement("option"), { value: String(place) }));
    named(place);
  });
  state.mask = state.study.masks[0];
}

function listened() {
  const opened = (place) => open(place).catch((error) => say(error.message));
  byId("previous").addEventListener("click", () => opened(state.place - 1));
  byId("next").addEventListener("click", () => opened(state.place + 1));
  byId("sample").addEventListener("change", (event) => opened(Number(event.target.value)));
  byId("undo").addEventListener("click", () => back("past", "future"));
  byId("redo").addEventListener("click", () => back("future", "past"));
  byId("closer").addEventListener("click", () => zoom(1.25));
  byId("farther").addEventListener("click", () => zoom(0.8));
  byId("fit").addEventListener("click", fit);
  byId("opacity").addEventListener("input", draw);
  for (const name of ["size", "tolerance", "count"]) {
    byId(name).addEventListener("input", (event) => { byId(`${name}-said`).textContent = event.target.value; });
  }
  byId("empty").addEventListener("click", () => { const layer = chosen(); begin(layer); layer.bits.fill(0); ended(layer); });
  canvas.addEventListener("focus", draw);
  canvas.addEventListener("blur", draw);
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const box = canvas.getBoundingClientRect();
    zoom(event.deltaY < 0 ? 1.15 : 1 / 1.15, event.clientX - box.left, event.clientY - box.top);
  }, { passive: false });
  canvas.addEventListener("pointerdown", (event) => {
    canvas.focus(); canvas.setPointerCapture(event.pointerId); event.preventDefault();
    if (event.button === 1) { state.pan = [event.clientX - state.left, event.clientY - state.top]; return; }
    if (event.button !== 0 || !chosen()) return;
    const point = pointAt(event);
    if (inside(...point)) state.cross = point.map(Math.floor);
    if (state.tool === "brush" || state.tool === "eraser") {
      begin(chosen());
      state.stroke = { layer: chosen(), at: point, value: state.tool === "brush" ? 1 : 0 };
      disc(state.stroke.layer, ...point, state.stroke.value); tinted(state.stroke.layer); draw();
    } else act(...point);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (state.pan) { state.left = event.clientX - state.pan[0]; state.top = event.clientY - state.pan[1]; draw(); return; }
    if (!state.stroke) return;
    const point = pointAt(event);
    line(state.stroke.layer, state.stroke.at, point, state.stroke.value);
    state.stroke.at = point; tinted(state.stroke.layer); draw();
  });
  const lifted = () => {
    state.pan = null;
    if (state.stroke) { const { layer } = state.stroke; state.stroke = null; ended(layer); }
  };
  canvas.addEventListener("pointerup", lifted);
  canvas.addEventListener("pointercancel", lifted);
  canvas.addEventListener("dblclick", () => { if (state.tool === "polygon") closePolygon(); });
  canvas.addEventListener("keydown", keyed);
  window.addEventListener("resize", fit);
  window.addEventListener("pagehide", leave);
}

function keyed(event) {
  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const size = byId("size");
  const resize = (by) => { size.value = String(Number(size.value) + by); size.dispatchEvent(new Event("input")); };
  const click = (id) => byId(id).click();
  const actions = {
    " ": () => act(state.cross[0] + 0.5, state.cross[1] + 0.5),
    Enter: closePolygon, Escape: () => { state.corners = []; draw(); },
    "[": () => resize(-1), "]": () => resize(1), z: () => back("past", "future"), y: () => back("future", "past"),
    "+": () => zoom(1.25), "=": () => zoom(1.25), "-": () => zoom(0.8), 0: fit, n: () => click("next"), v: () => click("previous"),
  };
  if (key in moves) {
    const [right, down] = moves[key].map((one) => one * (event.shiftKey ? 10 : 1));
    state.cross = [Math.min(state.width - 1, Math.max(0, state.cross[0] + right)), Math.min(state.height - 1, Math.max(0, state.cross[1] + down))];
    draw();
  } else if (key in KEYS && !event.ctrlKey && !event.metaKey) choose(KEYS[key]);
  else if (key in actions) actions[key]();
  else if (/^[1-9]$/.test(key) && state.study.masks[Number(key) - 1]) byId(`mask-${state.study.masks[Number(key) - 1]}`).click();
  else return;
  event.preventDefault();
}

async function start() {
  state.study = await (await asked("/study.json")).json();
  built(); listened(); choose("brush");
  await open(0);
}

start().catch((error) => say(`The page could not be opened: ${error.message}`));
