// A pad that reads digits, without Python: the drawing, MNIST's five steps and the network, as the package has them.
// The functions have the names, and the order of operations, of drawing/sketch.py, drawing/preprocessing.py and
// models/networks.py, so that both give the same image; a test draws a thousand digits with each.

const SIDE = 28, BOX = 20, PEN_WIDTH = 2.5, RASTER = 8 * BOX, GRID = 256, DOT = 1 / 8;
const SURE = 0.9, LIKELY = 0.6;
const PAPER_SIZE = 280, PEN = 16, ERASER = 32; // the page's own paper and brushes, in its pixels
const PAPER = "#ffffff", INK = "#14213d", HINT = "#6b7280";

// ---- strokes: {points: [[x, y], ...], width, erase}, x right and y down

/** A stroke as Python holds it, coordinates rounded to 32 bits; a plain list of points gets the first brush. */
function checkedStroke(stroke, size) {
  const { points, width = (PEN * size) / PAPER_SIZE, erase = false } = Array.isArray(stroke) ? { points: stroke } : stroke;
  const path = Array.from(points ?? [], ([x, y]) => [Math.fround(x), Math.fround(y)]);
  if (!path.length || !path.flat().every(Number.isFinite))
    throw new RangeError("the points of a stroke are finite numbers, [[x, y], ...], and at least one");
  if (!(width > 0 && width < Infinity)) throw new RangeError("the width of a stroke is a positive number of pixels");
  return { points: path, width, erase: Boolean(erase) };
}

/** [[start, stop], ...]: a stroke's straight pieces, cut where the brush leaves the canvas altogether. */
function clip({ points, width }, size) {
  const pieces = points.length === 1 ? [[points[0], points[0]]] : points.slice(1).map((stop, i) => [points[i], stop]);
  const low = -width / 2, high = size + width / 2;
  if (points.every(([x, y]) => x >= low && y >= low && x <= high && y <= high)) return pieces;
  const seen = [];
  for (const [start, stop] of pieces) {
    let enter = 0, leave = 1;
    const step = [stop[0] - start[0], stop[1] - start[1]];
    for (const axis of [0, 1]) {
      if (step[axis] === 0) {
        if (start[axis] < low || start[axis] > high) enter = Infinity;
        continue;
      }
      const ends = [(low - start[axis]) / step[axis], (high - start[axis]) / step[axis]];
      enter = Math.max(enter, Math.min(...ends));
      leave = Math.min(leave, Math.max(...ends));
    }
    if (enter <= leave) seen.push([enter, leave].map((part) => [0, 1].map((axis) => start[axis] + part * step[axis])));
  }
  return seen;
}

/** Points along straight pieces, both ends of each among them, no further apart than the spacing. */
function walk(pieces, spacing) {
  const points = [];
  for (const [[x, y], stop] of pieces) {
    const dx = stop[0] - x, dy = stop[1] - y;
    const count = spacing > 0 ? Math.ceil(Math.sqrt(dx * dx + dy * dy) / spacing) + 1 : 1;
    for (let i = 0; i < count; i++) {
      const part = i / Math.max(count - 1, 1);
      points.push([x + part * dx, y + part * dy]);
    }
  }
  return points;
}

/** Mark the pixels of a square image whose middle lies in a disc around one of the points. */
function discs(points, radius, side, image = new Uint8Array(side * side)) {
  const height = Math.ceil(Math.min(2 * radius + 1, side));
  for (const [x, y] of points) {
    const first = Math.max(Math.ceil(y - radius - 0.5), 0);
    for (let row = first; row < Math.min(first + height, side); row++) {
      const reach = radius * radius - (row + 0.5 - y) * (row + 0.5 - y);
      if (reach < 0) continue;
      const half = Math.sqrt(reach);
      const left = Math.max(Math.ceil(x - half - 0.5), 0), right = Math.min(Math.floor(x + half + 0.5), side);
      if (left < right) image.fill(1, row * side + left, row * side + right);
    }
  }
  return image;
}

/** [lowest, highest] x and y of some points. */
function bounds(points) {
  const low = [Infinity, Infinity], high = [-Infinity, -Infinity];
  for (const point of points)
    for (const axis of [0, 1]) {
      low[axis] = Math.min(low[axis], point[axis]);
      high[axis] = Math.max(high[axis], point[axis]);
    }
  return [low, high];
}

/** What is drawn, latest first: lines and erasers as close points, without what lies off the canvas or was erased. */
function visibleLines(strokes, size) {
  const paths = strokes.map((stroke) => [stroke, clip(stroke, size)]);
  const [low, high] = bounds(paths.flatMap(([stroke, pieces]) => (stroke.erase ? [] : pieces.flat())));
  const spacing = Math.max(high[0] - low[0], high[1] - low[1]) / RASTER, grid = GRID / size;
  const cell = (value) => Math.min(Math.max(Math.trunc(value * grid), 0), GRID - 1);
  const onGrid = (points) => points.map(([x, y]) => [x * grid, y * grid]);
  const gone = new Uint8Array(GRID * GRID), drawn = [];
  let erased = false;
  for (const [{ width, erase }, pieces] of paths.reverse()) {
    if (erase) {
      const points = walk(pieces, Math.max(width / 8, 1 / grid));
      discs(onGrid(points), (width / 2) * grid, GRID, gone);
      drawn.push({ points, width, erase });
      erased = true;
      continue;
    }
    let points = walk(pieces, erased && gone.includes(1) ? spacing / 4 : spacing);
    if (erased) points = points.filter(([x, y]) => !gone[cell(y) * GRID + cell(x)]);
    if (points.length) drawn.push({ points, width, erase });
  }
  return drawn;
}

/** The visible ink drawn with MNIST's pen, 160 pixels along the longest side: 0 or 1, [160 * 160]. */
function draw(strokes, size) {
  const drawn = visibleLines(strokes, size);
  const [corner, far] = bounds(drawn.flatMap(({ points, erase }) => (erase ? [] : points)));
  const extent = Math.max(far[0] - corner[0], far[1] - corner[1]);
  const brush = Math.max(...strokes.map(({ width, erase }) => (erase ? 0 : width)));
  if (!(extent >= 0)) throw new RangeError("there is no ink on the canvas: draw something first");
  let radius = (PEN_WIDTH * RASTER) / BOX / 2, scale = (RASTER - 2 * radius) / extent;
  if (extent < DOT * brush) { // there is no shape to fit the pen to, only the brush's
    scale = RASTER / (extent + brush);
    radius = (scale * brush) / 2;
  }
  const ink = new Uint8Array(RASTER * RASTER), gone = new Uint8Array(RASTER * RASTER);
  let erased = false;
  for (const { points, width, erase } of drawn) {
    const placed = points.map(([x, y]) => [(x - corner[0]) * scale + radius, (y - corner[1]) * scale + radius]);
    if (erase) discs(placed, (width / 2) * scale, RASTER, gone);
    else if (!erased) discs(placed, radius, RASTER, ink);
    else discs(placed, radius, RASTER).forEach((inked, i) => { ink[i] |= inked & ~gone[i]; });
    erased ||= erase;
  }
  if (!ink.includes(1)) throw new RangeError("there is no ink left on the canvas: draw something first");
  return ink;
}

// ---- MNIST's five steps

/** The part of each of 20 equal stretches that each of `side` pixels covers: [20][side]. */
function coverage(side) {
  const edge = (i) => i * (side / BOX);
  return Array.from({ length: BOX }, (_, i) => Array.from({ length: side }, (_, pixel) =>
    Math.max(Math.min(edge(i + 1), pixel + 1) - Math.max(edge(i), pixel), 0) * (BOX / side)));
}

/** To the nearest integer, and to the even one from the middle between two. */
function rint(value) {
  const below = Math.floor(value), rest = value - below;
  return below + (rest > 0.5 || (rest === 0.5 && below % 2) ? 1 : 0);
}

/** How far to move 20 rows (or columns) of the given ink to bring their centre of mass to index 14. */
function shift(profile) {
  const total = profile.reduce((sum, ink) => sum + ink), moment = profile.reduce((sum, ink, i) => sum + ink * i, 0);
  const first = profile.findIndex(Boolean), last = profile.findLastIndex(Boolean);
  return Math.min(Math.max(Math.floor(14.5 - moment / total), -first), SIDE - 1 - last);
}

/** Crop to the ink, pad to a square, resample to 20x20, scale the peak to 255, centre by mass: [784] bytes. */
function prepare(ink, width) {
  const at = Array.from(ink.keys()).filter((i) => ink[i]);
  const [low, high] = bounds(at.map((i) => [i % width, Math.floor(i / width)]));
  const [wide, tall] = [0, 1].map((axis) => high[axis] - low[axis] + 1);
  const side = Math.max(wide, tall, 10), parts = coverage(side);
  const left = Math.floor((side - wide) / 2) - low[0], top = Math.floor((side - tall) / 2) - low[1];
  const rows = new Float64Array(BOX * side), scaled = new Uint8Array(BOX * BOX), image = new Uint8Array(SIDE * SIDE);
  for (const i of at) {
    const column = (i % width) + left, row = Math.floor(i / width) + top;
    for (let box = 0; box < BOX; box++) rows[box * side + column] += parts[box][row] * ink[i];
  }
  const resampled = Float64Array.from(scaled, (_, i) => {
    const row = Math.floor(i / BOX) * side;
    return parts[i % BOX].reduce((sum, part, column) => sum + part * rows[row + column], 0);
  });
  const peak = 255 / resampled.reduce((most, value) => Math.max(most, value));
  resampled.forEach((value, i) => { scaled[i] = value > 0 ? Math.max(rint(value * peak), 1) : 0; });
  const profile = (pixel) => Array.from({ length: BOX }, (_, i) =>
    Array.from({ length: BOX }, (_, j) => scaled[pixel(i, j)]).reduce((sum, value) => sum + value));
  const down = shift(profile((i, j) => i * BOX + j)), right = shift(profile((i, j) => j * BOX + i));
  scaled.forEach((value, i) => {
    if (value) image[(Math.floor(i / BOX) + down) * SIDE + (i % BOX) + right] = value;
  });
  return image;
}

// ---- the network: layers {shape, weight, bias}, [out, in] fully connected or [out, in, 3, 3] convolutional

const model = JSON.parse(document.getElementById("model").textContent);
const bytes = Uint8Array.from(atob(model.weights), (character) => character.charCodeAt(0));
let used = 0;
const layers = model.shapes.map((shape) => {
  const take = (count) => new Float32Array(bytes.buffer, (used += 4 * count) - 4 * count, count);
  return { shape, weight: take(shape.reduce((product, length) => product * length)), bias: take(shape[0]) };
});

/** Weighted sums of the inputs. */
function dense(values, { shape: [outputs, inputs], weight, bias }) {
  return Float64Array.from({ length: outputs }, (_, output) => {
    let sum = bias[output];
    for (let i = 0, at = output * inputs; i < inputs; i++) sum += weight[at + i] * values[i];
    return sum;
  });
}

/** A 3x3 convolution with a border of zeros, then the greatest of each 2x2: half the side, rounded down. */
function convolve(values, { shape: [outputs, inputs], weight, bias }) {
  const side = Math.sqrt(values.length / inputs), wide = side + 2, half = Math.floor(side / 2);
  const padded = new Float64Array(inputs * wide * wide), sums = new Float64Array(side * side);
  for (let row = 0; row < inputs * side; row++)
    padded.set(values.subarray(row * side, (row + 1) * side), (row + 2 * Math.floor(row / side) + 1) * wide + 1);
  const pooled = new Float64Array(outputs * half * half);
  for (let output = 0; output < outputs; output++) {
    sums.fill(bias[output]);
    for (let tap = 0; tap < inputs * 9; tap++) {
      const factor = weight[output * inputs * 9 + tap];
      const start = (Math.floor(tap / 9) * wide + Math.floor((tap % 9) / 3)) * wide + (tap % 3);
      for (let y = 0; y < side; y++)
        for (let x = 0; x < side; x++) sums[y * side + x] += factor * padded[start + y * wide + x];
    }
    for (let y = 0; y < half; y++)
      for (let x = 0; x < half; x++) {
        const at = 2 * y * side + 2 * x;
        pooled[(output * half + y) * half + x] = Math.max(sums[at], sums[at + 1], sums[at + side], sums[at + side + 1]);
      }
  }
  return pooled;
}

/** Ten probabilities for an image of 784 bytes. */
function predict(image) {
  let values = Float64Array.from(image, (pixel) => pixel / 255);
  layers.forEach((layer, i) => {
    values = (layer.shape.length === 4 ? convolve : dense)(values, layer);
    if (i + 1 < layers.length) values = values.map((value) => Math.max(value, 0));
  });
  const most = Math.max(...values), shares = Array.from(values, (logit) => Math.exp(logit - most));
  const total = shares.reduce((sum, share) => sum + share);
  return shares.map((share) => share / total);
}

// ---- what others may call, tests among them

/** Read a drawing of one digit on a square canvas: {image: 784 integers, probabilities: 10 numbers}. */
function read(strokes, size = PAPER_SIZE) {
  const image = prepare(draw(strokes.map((stroke) => checkedStroke(stroke, size)), size), RASTER);
  return { image: Array.from(image), probabilities: predict(image) };
}

// Here will stand digitScore(image) and readNumber(strokes, size): then they join what the page exposes.
window.mnistReader = Object.freeze({ read });

// ---- the pad: what the hand does

const byId = (id) => document.getElementById(id);
const paper = byId("paper"), ink = paper.getContext("2d"), seen = byId("seen").getContext("2d");
const history = [[]]; // what was on the paper after each action
const cursor = [PAPER_SIZE / 2, PAPER_SIZE / 2]; // of the pen that the arrow keys move
// ten drawings for who has no pen: strokes as "xy" in a grid of ten by ten
const EXAMPLES = ["52 33 24 26 38 59 77 75 73 62 52", "51 55 59", "33 42 62 73 65 38 78", "33 42 62 73 64 45 64 76 68 48 37",
  "42 26 76|63 69", "72 42 35 55 76 68 48 37", "62 43 36 38 58 76 65 45 37", "23 73 48", "73 52 33 44 66 68 49 38 46 64 73",
  "73 52 34 45 65 73 68 59"];
let now = 0, stroke = null, pointer = null, erasing = false, byKeys = false, lastRead = 0, frame = 0;

const drawn = () => (stroke ? [...history[now], stroke] : history[now]);

function put(strokes) {
  history.splice(++now, Infinity, strokes);
  update();
}

function begin(point, erase = erasing) {
  stroke = { points: [point], width: erase ? ERASER : PEN, erase };
  byId("words").setAttribute("aria-busy", "true"); // said when the stroke has ended
}

function extend(points) {
  const far = ([x, y], [a, b]) => x !== a || y !== b;
  for (const point of points) if (far(point, stroke.points.at(-1))) stroke.points.push(point);
  if (performance.now() - lastRead > 80) showReading();
  redraw();
}

function end() {
  if (!stroke) return;
  const strokes = drawn();
  stroke = pointer = null;
  byId("words").removeAttribute("aria-busy");
  put(strokes);
}

function place(event) {
  const { left, top, width } = paper.getBoundingClientRect();
  return [event.clientX - left, event.clientY - top].map((along) => (along * PAPER_SIZE) / width);
}

paper.addEventListener("pointerdown", (event) => {
  if (pointer !== null || event.button > 0 && event.button !== 5) return; // a second finger draws nothing; 5: a pen's eraser
  end();
  byKeys = false;
  pointer = event.pointerId;
  paper.setPointerCapture(pointer);
  begin(place(event), erasing || event.button === 5);
  extend([]);
});
paper.addEventListener("pointermove", (event) => {
  if (event.pointerId !== pointer) return;
  const parts = event.getCoalescedEvents?.() ?? [];
  extend((parts.length ? parts : [event]).map(place));
});
for (const name of ["pointerup", "pointercancel", "lostpointercapture"])
  paper.addEventListener(name, (event) => { if (event.pointerId === pointer) end(); });

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
paper.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || pointer !== null) return;
  if (ARROWS[event.key]) {
    ARROWS[event.key].forEach((step, axis) => {
      cursor[axis] = Math.min(Math.max(cursor[axis] + step * (event.shiftKey ? 3 : 12), 0), PAPER_SIZE);
    });
    byKeys = true;
    if (stroke) extend([[...cursor]]);
  } else if (event.key === " " || event.key === "Enter") {
    byKeys = true;
    if (stroke) end();
    else begin([...cursor]);
  } else if (/^\d$/.test(event.key)) {
    end();
    const paths = EXAMPLES[event.key].split("|").map((path) => path.split(" "));
    put(paths.map((path) => ({ points: path.map(([x, y]) => [x * 28, y * 28]), width: PEN, erase: false })));
  } else return;
  event.preventDefault();
  redraw();
});
paper.addEventListener("blur", end);

function undo() {
  end();
  now = Math.max(now - 1, 0);
  update();
}

function redo() {
  end();
  now = Math.min(now + 1, history.length - 1);
  update();
}

function choose(erase) {
  erasing = erase;
  byId("draw").setAttribute("aria-pressed", String(!erase));
  byId("erase").setAttribute("aria-pressed", String(erase));
}

const clear = () => { end(); put([]); };
const actions = { draw: () => choose(false), erase: () => choose(true), undo, redo, clear };
for (const [id, act] of Object.entries(actions)) byId(id).addEventListener("click", act);
addEventListener("keydown", (event) => {
  const key = event.key.toLowerCase();
  if (!(event.ctrlKey || event.metaKey) || (key !== "z" && key !== "y")) return;
  event.preventDefault();
  (key === "y" || event.shiftKey ? redo : undo)();
});

// ---- the pad: what it shows

const rows = Array.from({ length: 10 }, (_, digit) => {
  const row = byId("row").content.firstElementChild.cloneNode(true);
  row.firstElementChild.textContent = String(digit);
  byId("bars").append(row);
  return row;
});

function inWords(probabilities) {
  const [first, second] = [...probabilities.keys()].sort((a, b) => probabilities[b] - probabilities[a]);
  const share = probabilities[first], a = (digit) => `${digit === 8 ? "an" : "a"} ${digit}`;
  if (share >= SURE) return `I read ${a(first)}, ${share >= 0.995 ? "over 99" : Math.round(100 * share)} % sure.`;
  return share >= LIKELY ? `Probably ${a(first)}, perhaps ${a(second)}.` : `Unsure: ${a(first)} or ${a(second)}?`;
}

function showReading() {
  lastRead = performance.now();
  let guess = null;
  try {
    guess = read(drawn());
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // there is no ink yet
  }
  const best = guess ? guess.probabilities.indexOf(Math.max(...guess.probabilities)) : -1;
  byId("words").textContent = guess ? inWords(guess.probabilities) : "Draw a digit: zero to nine.";
  rows.forEach((row, digit) => {
    const share = guess ? guess.probabilities[digit] : 0;
    row.className = digit === best ? "best" : "";
    row.children[1].firstElementChild.style.width = `${100 * share}%`;
    row.children[2].textContent = guess ? `${(100 * share).toFixed(1)} %` : "";
  });
  const pixels = seen.createImageData(SIDE, SIDE);
  for (let i = 0; i < SIDE * SIDE; i++) pixels.data.set([0, 1, 2].map(() => guess?.image[i] ?? 0).concat(255), 4 * i);
  seen.putImageData(pixels, 0, 0);
}

function drawLine({ points, width, erase }) {
  ink.strokeStyle = erase ? PAPER : INK;
  ink.lineWidth = width;
  ink.beginPath();
  ink.moveTo(...points[0]);
  points.slice(1).forEach(([x, y], i) => {
    const [a, b] = points[i]; // a curve between the middles of the pieces, bent by the point where they meet
    ink.quadraticCurveTo(a, b, (a + x) / 2, (b + y) / 2);
  });
  ink.lineTo(points.at(-1)[0] + 0.01, points.at(-1)[1]); // so that a single point is a dot
  ink.stroke();
}

function redraw() {
  cancelAnimationFrame(frame);
  frame = requestAnimationFrame(() => {
    const scale = paper.width / PAPER_SIZE, strokes = drawn();
    ink.setTransform(scale, 0, 0, scale, 0, 0);
    ink.fillStyle = PAPER;
    ink.fillRect(0, 0, PAPER_SIZE, PAPER_SIZE);
    ink.lineCap = ink.lineJoin = "round";
    strokes.forEach(drawLine);
    ink.fillStyle = HINT;
    ink.font = "15px system-ui, sans-serif";
    ink.textAlign = "center";
    if (!strokes.length && !byKeys) ink.fillText("draw a digit here", PAPER_SIZE / 2, PAPER_SIZE / 2);
    if (!byKeys) return;
    ink.strokeStyle = stroke ? "#d55e00" : "#0072b2";
    ink.lineWidth = 2;
    ink.beginPath();
    ink.arc(...cursor, 12, 0, 2 * Math.PI);
    ink.stroke();
  });
}

function update() {
  byId("undo").disabled = now === 0;
  byId("redo").disabled = now === history.length - 1;
  byId("clear").disabled = !history[now].length;
  showReading();
  redraw();
}

new ResizeObserver(() => {
  paper.width = paper.height = Math.round(paper.clientWidth * devicePixelRatio);
  redraw();
}).observe(paper);
update();
