// What reads a drawing, without Python: the raster, MNIST's five steps and the network, as the package has them.
// The functions have the names, and the order of operations, of drawing/sketch.py, drawing/preprocessing.py and
// models/networks.py, so that both give the same image; a test has a thousand drawings read by each.

const SIDE = 28, BOX = 20, PEN_WIDTH = 2.5, RASTER = 8 * BOX, GRID = 256, DOT = 1 / 8;
const CANVAS = 280, BRUSH = 16; // the pad's, for strokes that come without

// ---- strokes: {points: [[x, y], ...], width, erase}, x right and y down

/** A stroke as Python holds it, coordinates rounded to 32 bits; a plain list of points gets the first brush. */
function checkedStroke(stroke, size) {
  const { points, width = (BRUSH * size) / CANVAS, erase = false } = Array.isArray(stroke) ? { points: stroke } : stroke;
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

/** For each of `side` pixels, which of 20 equal stretches it lies in, and the part of each that it covers. */
function coverage(side) {
  const edge = (i) => i * (side / BOX);
  return Array.from({ length: side }, (_, pixel) => {
    const boxes = [];
    for (let box = 0; box < BOX; box++) {
      const part = (Math.min(edge(box + 1), pixel + 1) - Math.max(edge(box), pixel)) * (BOX / side);
      if (part > 0) boxes.push([box, part]);
    }
    return boxes;
  });
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
function prepare(ink) {
  const at = [];
  ink.forEach((inked, i) => { if (inked) at.push([i % RASTER, Math.floor(i / RASTER)]); });
  const [low, high] = bounds(at), [wide, tall] = [0, 1].map((axis) => high[axis] - low[axis] + 1);
  const side = Math.max(wide, tall, 10), parts = coverage(side);
  const left = Math.floor((side - wide) / 2) - low[0], top = Math.floor((side - tall) / 2) - low[1];
  const rows = new Float64Array(BOX * side), resampled = new Float64Array(BOX * BOX);
  for (const [x, y] of at) for (const [box, part] of parts[y + top]) rows[box * side + x + left] += part;
  for (let i = 0; i < BOX * side; i++)
    for (const [box, part] of parts[i % side]) resampled[Math.floor(i / side) * BOX + box] += part * rows[i];
  const peak = 255 / resampled.reduce((most, value) => Math.max(most, value));
  const scaled = Uint8Array.from(resampled, (value) => (value > 0 ? Math.max(rint(value * peak), 1) : 0));
  const profiles = [0, 1].map(() => new Float64Array(BOX));
  scaled.forEach((value, i) => {
    profiles[0][i % BOX] += value;
    profiles[1][Math.floor(i / BOX)] += value;
  });
  const [right, down] = profiles.map(shift), image = new Uint8Array(SIDE * SIDE);
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
    for (let row = 0; row < inputs * 3; row++) { // of the filters
      const [a, b, c] = weight.subarray((output * inputs * 3 + row) * 3);
      const start = (Math.floor(row / 3) * wide + (row % 3)) * wide;
      for (let y = 0; y < side; y++)
        for (let x = 0, at = start + y * wide; x < side; x++, at++)
          sums[y * side + x] += a * padded[at] + b * padded[at + 1] + c * padded[at + 2];
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
function read(strokes, size = CANVAS) {
  const image = prepare(draw(strokes.map((stroke) => checkedStroke(stroke, size)), size));
  return { image: Array.from(image), probabilities: predict(image) };
}

// Here will stand digitScore(image) and readNumber(strokes, size): then they join what the page exposes.
window.mnistReader = Object.freeze({ read });

