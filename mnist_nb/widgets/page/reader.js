// Read drawings of digits and numbers in the browser, without Python.
//
// From top to bottom: strokes to a raster image, MNIST's five preparation steps, the network, whole
// numbers, and the interface, window.mnistReader.
//
// Names and the order of operations follow models/networks.py and handwriting/{sketch,raster,
// preprocessing,pieces,grouping,numbers,brackets,slashes}.py, because results must be identical to
// Python's: tests compare both on hundreds of drawings.

const model = JSON.parse(document.getElementById("model").textContent);

// constants of the Python modules, under the same names
const { SIDE, BOX, PEN_WIDTH, RASTER, SMALLEST_SIDE, CENTRE } = model.constants;
const { CANVAS, ERASER_GRID, DOT_EXTENT, DENSE_POINTS, QUARTERS, STEPS_PER_ERASER } =
  model.constants;
const { MAX_STROKES, MAX_POINTS } = model.constants;
const DEFAULT_WIDTH = 16; // of a stroke given without one, in pixels of a canvas of default size

/** An error: no ink is visible on the canvas. */
class NoInkError extends RangeError {
  name = "NoInkError";
}

// ---- From strokes to a raster image
// A stroke is {points: [[x, y], ...], width, erase}: in pixels, x to the right, y down.

/**
 * Return a valid stroke with float32 coordinates, as in Python. A plain list of points gets the
 * default width.
 */
function checkStroke(stroke, size) {
  const {
    points,
    width = (DEFAULT_WIDTH * size) / CANVAS,
    erase = false,
  } = Array.isArray(stroke) ? { points: stroke } : stroke;
  const path = Array.from(points ?? [], ([x, y]) => [Math.fround(x), Math.fround(y)]);
  if (!path.length || !path.flat().every(Number.isFinite))
    throw new RangeError(
      "the points of a stroke must be at least one pair of finite numbers, [[x, y], ...]",
    );
  if (!(width > 0 && width < Infinity))
    throw new RangeError("the width of a stroke must be a positive number of pixels");
  return { points: path, width, erase: Boolean(erase) };
}

/** Return the valid strokes of a drawing that has no more of them than a Sketch in Python. */
function checkStrokes(strokes, size) {
  const checked = strokes.slice(0, MAX_STROKES).map((stroke) => checkStroke(stroke, size));
  const count = checked.reduce((sum, { points }) => sum + points.length, 0);
  if (strokes.length > MAX_STROKES || count > MAX_POINTS)
    throw new RangeError(
      `there is too much ink here, over ${MAX_STROKES} strokes or ${MAX_POINTS} points: clear it`,
    );
  return checked;
}

/**
 * Return the straight segments of a stroke, [[start, stop], ...], without the parts where the whole
 * brush is off the canvas.
 */
function clip({ points, width }, size) {
  const segments =
    points.length === 1
      ? [[points[0], points[0]]]
      : points.slice(1).map((stop, i) => [points[i], stop]);
  const low = -width / 2;
  const high = size + width / 2;
  if (points.every(([x, y]) => x >= low && y >= low && x <= high && y <= high)) return segments;
  const visible = [];
  for (const [start, stop] of segments) {
    let enter = 0;
    let leave = 1;
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
    if (enter <= leave)
      visible.push(
        [enter, leave].map((part) => [0, 1].map((axis) => start[axis] + part * step[axis])),
      );
  }
  return visible;
}

/** Return points along straight segments, at most `spacing` apart. Both ends are included. */
function walk(segments, spacing) {
  const points = [];
  for (const [[x, y], stop] of segments) {
    const dx = stop[0] - x;
    const dy = stop[1] - y;
    const count = spacing > 0 ? Math.ceil(Math.sqrt(dx * dx + dy * dy) / spacing) + 1 : 1;
    for (let i = 0; i < count; i++) {
      const fraction = i / Math.max(count - 1, 1);
      points.push([x + fraction * dx, y + fraction * dy]);
    }
  }
  return points;
}

/** Set the pixels of a square image whose centre is within a disc around any of the points. */
function discs(points, radius, side, image = new Uint8Array(side * side)) {
  const height = Math.ceil(Math.min(2 * radius + 1, side));
  for (const [x, y] of points) {
    const first = Math.max(Math.ceil(y - radius - 0.5), 0);
    for (let row = first; row < Math.min(first + height, side); row++) {
      const reach = radius * radius - (row + 0.5 - y) * (row + 0.5 - y);
      if (reach < 0) continue;
      const half = Math.sqrt(reach);
      const left = Math.max(Math.ceil(x - half - 0.5), 0);
      const right = Math.min(Math.floor(x + half + 0.5), side);
      if (left < right) image.fill(1, row * side + left, row * side + right);
    }
  }
  return image;
}

/** Return the corners of the bounding box of points: [[left, top], [right, bottom]]. */
function bounds(points) {
  const low = [Infinity, Infinity];
  const high = [-Infinity, -Infinity];
  for (const point of points)
    for (const axis of [0, 1]) {
      low[axis] = Math.min(low[axis], point[axis]);
      high[axis] = Math.max(high[axis], point[axis]);
    }
  return [low, high];
}

/**
 * Return a filter that keeps the first point in each cell of a square grid, to bound the cost of
 * dense scribbles.
 */
function sieve([left, top], side, cells) {
  const scale = side > 0 ? cells / side : 0;
  const taken = new Set();
  return ([x, y]) => {
    const cell = Math.trunc((y - top) * scale) * (cells + 1) + Math.trunc((x - left) * scale);
    return !taken.has(cell) && taken.add(cell);
  };
}

/** Return a grid over the canvas, on which erased places are marked. */
const makeGrid = () => new Uint8Array(ERASER_GRID * ERASER_GRID);

/** Mark the places that an eraser passes on the grid, and return its path. */
function eraseAlong({ width }, segments, size, isErased, isDense) {
  const step = Math.max(width / STEPS_PER_ERASER, size / ERASER_GRID);
  const side = size + width;
  const keep = sieve([-width / 2, -width / 2], side, Math.ceil((QUARTERS * side) / step));
  const path = walk(segments, step).filter((point) => !isDense || keep(point));
  const scale = ERASER_GRID / size;
  const onGrid = path.map(([x, y]) => [x * scale, y * scale]);
  discs(onGrid, (width / 2) * scale, ERASER_GRID, isErased);
  return path;
}

/**
 * Return lines and erasers as closely spaced points, latest first. Points off the canvas and erased
 * points are omitted. `isErased` has the places erased after these strokes.
 */
function visibleLines(strokes, size, isErased = makeGrid()) {
  const paths = strokes.map((stroke) => [stroke, clip(stroke, size)]);
  const [low, high] = bounds(
    paths.flatMap(([stroke, segments]) => (stroke.erase ? [] : segments.flat())),
  );
  const extent = Math.max(high[0] - low[0], high[1] - low[1]);
  const spacing = extent / RASTER;
  const gridScale = ERASER_GRID / size;
  const isDense = strokes.reduce((sum, { points }) => sum + points.length, 0) > DENSE_POINTS;
  const widest = widestBrush(strokes);
  const lineSieve = sieve(
    low,
    extent < DOT_EXTENT * widest ? extent + widest : extent,
    QUARTERS * RASTER,
  );
  const cell = (value) => Math.min(Math.max(Math.trunc(value * gridScale), 0), ERASER_GRID - 1);
  const lines = [];
  for (const [stroke, segments] of paths.reverse()) {
    const { width, erase } = stroke;
    if (erase) {
      const points = eraseAlong(stroke, segments, size, isErased, isDense);
      lines.push({ points, width, erase });
      continue;
    }
    const hasErased = isErased.includes(1);
    let points = walk(segments, hasErased ? spacing / QUARTERS : spacing);
    if (isDense) points = points.filter(lineSieve);
    if (hasErased) points = points.filter(([x, y]) => !isErased[cell(y) * ERASER_GRID + cell(x)]);
    if (points.length) lines.push({ points, width, erase });
  }
  return lines;
}

/** Return the width of the widest brush; erasers do not count. */
function widestBrush(strokes) {
  return Math.max(...strokes.map(({ width, erase }) => (erase ? 0 : width)));
}

/**
 * Draw visible lines with MNIST's pen, 160 pixels along the longest side: 0 or 1, [160 * 160].
 */
function inkAlong(lines, brush) {
  const [corner, opposite] = bounds(lines.flatMap(({ points, erase }) => (erase ? [] : points)));
  const extent = Math.max(opposite[0] - corner[0], opposite[1] - corner[1]);
  if (!(extent >= 0)) throw new NoInkError("there is no ink on the canvas: draw something first");
  let radius = (PEN_WIDTH * RASTER) / BOX / 2;
  let scale = (RASTER - 2 * radius) / extent;
  if (extent < DOT_EXTENT * brush) {
    // a dot has no shape to scale: draw it as wide as the brush was
    scale = RASTER / (extent + brush);
    radius = (scale * brush) / 2;
  }
  const ink = new Uint8Array(RASTER * RASTER);
  const isErased = new Uint8Array(RASTER * RASTER);
  let hasEraser = false;
  for (const { points, width, erase } of lines) {
    const placed = points.map(([x, y]) => [
      (x - corner[0]) * scale + radius,
      (y - corner[1]) * scale + radius,
    ]);
    if (erase) discs(placed, (width / 2) * scale, RASTER, isErased);
    else if (!hasEraser) discs(placed, radius, RASTER, ink);
    else
      discs(placed, radius, RASTER).forEach((isInked, i) => {
        ink[i] |= isInked & ~isErased[i];
      });
    hasEraser ||= erase;
  }
  if (!ink.includes(1))
    throw new NoInkError("there is no ink left on the canvas: draw something first");
  return ink;
}

// ---- MNIST's five preparation steps

/**
 * Return the share of each of `side` pixels in the 20 equal parts that it overlaps: for each pixel,
 * [[part, share], ...].
 */
function coverage(side) {
  const edge = (i) => i * (side / BOX);
  return Array.from({ length: side }, (_, pixel) => {
    const shares = [];
    for (let part = 0; part < BOX; part++) {
      const length = Math.min(edge(part + 1), pixel + 1) - Math.max(edge(part), pixel);
      const share = length * (BOX / side);
      if (share > 0) shares.push([part, share]);
    }
    return shares;
  });
}

/** Round to the nearest integer, halves to even, as NumPy's rint does. */
function rint(value) {
  const below = Math.floor(value);
  const rest = value - below;
  return below + (rest > 0.5 || (rest === 0.5 && below % 2) ? 1 : 0);
}

/** Return the offset that brings 20 rows (or columns) of ink to a centre of mass at index 14. */
function offset(profile) {
  const total = profile.reduce((sum, ink) => sum + ink);
  const moment = profile.reduce((sum, ink, i) => sum + ink * i, 0);
  const first = profile.findIndex(Boolean);
  const last = profile.findLastIndex(Boolean);
  return Math.min(Math.max(Math.floor(CENTRE + 0.5 - moment / total), -first), SIDE - 1 - last);
}

/** Return the lowest and highest [x, y] of the pixels with ink. */
function inkBounds(ink) {
  let low = [RASTER, RASTER];
  let high = [-1, -1];
  ink.forEach((isInked, i) => {
    if (!isInked) return;
    const x = i % RASTER;
    const y = (i - x) / RASTER;
    low = [Math.min(low[0], x), Math.min(low[1], y)];
    high = [Math.max(high[0], x), Math.max(high[1], y)];
  });
  return [low, high];
}

/** Crop to the ink, pad to a square of at least 10 pixels, and resample by area to 20x20: [400]. */
function resample(ink) {
  const [low, high] = inkBounds(ink);
  const [wide, tall] = [0, 1].map((axis) => high[axis] - low[axis] + 1);
  const side = Math.max(wide, tall, SMALLEST_SIDE);
  const shares = coverage(side);
  const left = Math.floor((side - wide) / 2) - low[0];
  const top = Math.floor((side - tall) / 2) - low[1];
  const rows = new Float64Array(BOX * side); // resampled vertically only: [20, side]
  const resampled = new Float64Array(BOX * BOX);
  for (let y = low[1]; y <= high[1]; y++)
    for (const [row, share] of shares[y + top])
      for (let x = low[0]; x <= high[0]; x++)
        if (ink[y * RASTER + x]) rows[row * side + x + left] += share;
  for (let i = 0; i < BOX * side; i++)
    if (rows[i])
      for (const [column, share] of shares[i % side])
        resampled[Math.floor(i / side) * BOX + column] += share * rows[i];
  return resampled;
}

/** Scale the largest value to 255 and round. Ink is never rounded to 0. */
function scaleTo255(resampled) {
  const factor = 255 / resampled.reduce((most, value) => Math.max(most, value));
  return Uint8Array.from(resampled, (value) => (value > 0 ? Math.max(rint(value * factor), 1) : 0));
}

/** Paste 20x20 into 28x28 with the centre of mass at pixel 14 on both axes: [784]. */
function centre(scaled) {
  const columns = new Float64Array(BOX);
  const rows = new Float64Array(BOX);
  scaled.forEach((value, i) => {
    columns[i % BOX] += value;
    rows[Math.floor(i / BOX)] += value;
  });
  const right = offset(columns);
  const down = offset(rows);
  const image = new Uint8Array(SIDE * SIDE);
  scaled.forEach((value, i) => {
    if (value) image[(Math.floor(i / BOX) + down) * SIDE + (i % BOX) + right] = value;
  });
  return image;
}

/** Prepare the ink of a raster as MNIST's images were prepared: [784] bytes. */
function prepare(ink) {
  const resampled = resample(ink);
  const scaled = scaleTo255(resampled);
  return centre(scaled);
}

// ---- The network
// A layer is {kind, input, output, ...}: the shapes are [channels, height, width] or [units].

// the alphabet of Python's base64.b85encode, with "." for "<": five characters encode four bytes
const ALPHABET =
  "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;.=>?@^_`{|}~";

/** Decode float32 numbers from base 85. */
function decode(text) {
  const bytes = new DataView(new ArrayBuffer((text.length / 5) * 4));
  for (let i = 0; i < text.length; i += 5) {
    let word = 0;
    for (const character of text.slice(i, i + 5)) word = 85 * word + ALPHABET.indexOf(character);
    bytes.setUint32((i / 5) * 4, word);
  }
  return Float64Array.from(new Float32Array(bytes.buffer)); // sums in float64
}

/** Return the layers with their arrays, such as `weight`, which are stored one after the other. */
function withArrays(layers, numbers) {
  let position = 0;
  const complete = layers.map((layer) => {
    const arrays = Object.entries(layer.arrays).map(([name, length]) => {
      const start = position;
      position += length;
      return [name, numbers.subarray(start, position)];
    });
    return { ...layer, ...Object.fromEntries(arrays) };
  });
  if (position !== numbers.length || !numbers.every(Number.isFinite))
    throw new Error("the weights in this page are damaged: export the page again");
  return complete;
}

const allLayers = withArrays([...model.layers, ...model.refusal_layers], decode(model.weights));
const layers = allLayers.slice(0, model.layers.length);
const refusalLayers = allLayers.slice(model.layers.length);

/** Return weighted sums of the inputs. The weight is [outputs, inputs]. */
function linear(values, { input: [inputs], output: [outputs], weight, bias }) {
  return Float64Array.from({ length: outputs }, (_, output) => {
    let sum = bias[output];
    for (let i = 0, at = output * inputs; i < inputs; i++) sum += weight[at + i] * values[i];
    return sum;
  });
}

/**
 * Return the inputs that meet each element of the kernel, [channel, kernel's row, kernel's column]:
 * for each, an array with one value per position of the output. Beyond the edges it is `padded`.
 */
function underKernel(
  values,
  { input, output: [, rows, columns], kernel, stride: [down, right], padding: [above, before] },
  padded,
) {
  const [channels, height, width] = input;
  const [kernelHeight, kernelWidth] = kernel;
  const covered = [];
  for (let channel = 0; channel < channels; channel++)
    for (let top = -above; top < kernelHeight - above; top++)
      for (let left = -before; left < kernelWidth - before; left++) {
        const map = new Float64Array(rows * columns).fill(padded);
        for (let row = 0, at = 0; row < rows; row++)
          for (let column = 0; column < columns; column++, at++) {
            const y = row * down + top;
            const x = column * right + left;
            if (y >= 0 && y < height && x >= 0 && x < width)
              map[at] = values[(channel * height + y) * width + x];
          }
        covered.push(map);
      }
  return covered;
}

/**
 * Return weighted sums of the values under the kernel. The weight is [outputs, channels, kernel's
 * height, kernel's width].
 */
function convolve(values, layer) {
  const {
    output: [outputs, rows, columns],
    weight,
    bias,
  } = layer;
  const size = rows * columns;
  const covered = underKernel(values, layer, 0);
  const count = covered.length;
  const sums = new Float64Array(outputs * size);
  // four at a time take half the time of one; zeros fill the last four
  while (covered.length % 4) covered.push(new Float64Array(size));
  for (let output = 0; output < outputs; output++) {
    const sum = sums.subarray(output * size, (output + 1) * size).fill(bias[output]);
    for (let i = 0; i < count; i += 4) {
      const [first, second, third, fourth] = covered.slice(i, i + 4);
      const at = output * count + i;
      const a = weight[at];
      const b = weight[at + 1] ?? 0;
      const c = weight[at + 2] ?? 0;
      const d = weight[at + 3] ?? 0;
      for (let k = 0; k < size; k++)
        sum[k] += a * first[k] + b * second[k] + c * third[k] + d * fourth[k];
    }
  }
  return sums;
}

/** Return the largest value under the kernel, in each channel. */
function maxPool(values, layer) {
  const {
    output: [channels, rows, columns],
    kernel,
  } = layer;
  const size = rows * columns;
  const covered = underKernel(values, layer, -Infinity);
  const largest = new Float64Array(channels * size).fill(-Infinity);
  covered.forEach((map, i) => {
    const start = Math.floor(i / (kernel[0] * kernel[1])) * size;
    for (let at = 0; at < size; at++) largest[start + at] = Math.max(largest[start + at], map[at]);
  });
  return largest;
}

/** Multiply each channel by its scale and add its shift. */
function normalize(values, { input: [channels, height, width], scale, shift }) {
  const size = height * width;
  const normalized = new Float64Array(values.length);
  for (let channel = 0, at = 0; channel < channels; channel++)
    for (const end = at + size; at < end; at++)
      normalized[at] = values[at] * scale[channel] + shift[channel];
  return normalized;
}

const LAYER_FUNCTIONS = {
  Linear: linear,
  Conv2d: convolve,
  MaxPool2d: maxPool,
  BatchNorm2d: normalize,
  ReLU: (values) => values.map((value) => Math.max(value, 0)),
  Flatten: (values) => values, // values are always stored flat
};
const runLayer = (values, layer) => LAYER_FUNCTIONS[layer.kind](values, layer);

/**
 * Return {logits: 10 numbers, hidden: the weighted sums of all hidden units}, as
 * Network.hidden_and_logits does.
 */
function forward(image) {
  const linearInputs = [];
  const linearSums = [];
  let values = Float64Array.from(image, (pixel) => pixel / 255);
  for (const layer of layers) {
    const inputs = values;
    values = runLayer(inputs, layer);
    if (layer.kind !== "Linear") continue;
    linearInputs.push(inputs);
    linearSums.push(values);
  }
  const hidden = linearSums.length > 1 ? linearSums.slice(0, -1) : linearInputs;
  return { logits: values, hidden: Float64Array.from(hidden.flatMap((part) => [...part])) };
}

/**
 * Classify an image of 784 bytes: {probabilities: 10 numbers, score: the probability that it is a
 * digit at all}.
 */
function predict(image) {
  const { logits, hidden } = forward(image);
  const { mean, deviation, shift } = model.energy;
  const largest = Math.max(...logits);
  const exponentials = Array.from(logits, (logit) => Math.exp(logit - largest));
  const total = exponentials.reduce((sum, value) => sum + value);
  const energy = largest + Math.log(total);
  let [noDigit, digit] = [0, (energy - mean) / deviation + shift];
  if (refusalLayers.length) [noDigit, digit] = refusalLayers.reduce(runLayer, hidden);
  return {
    probabilities: exponentials.map((value) => value / total),
    score: 1 / (1 + Math.exp(noDigit - digit)),
  };
}

// ---- Whole numbers
// Strokes are divided into digits as in handwriting/{pieces,grouping,numbers}.py.

const {
  MAX_PIECES,
  MIN_PIECE_SIZE,
  MIN_PIECE_HEIGHT,
  MIN_DIGIT_SIZE,
  MAX_DASH_HEIGHT,
  MIN_LINE_OVERLAP,
  DOUBTFUL,
  FORMS,
} = model.constants;
const { MAX_SPAN, MAX_GAP, MAX_WIDTH, MAX_HEIGHT, TYPICAL_WIDTH, TYPICAL_HEIGHT, CLEARANCE } =
  model.constants;
const { MIN_WIDTH, MIN_HEIGHT, LINE_GAP, MAX_SAMPLES, SCORE_FACTOR, MIN_SCORE, MAX_SCORE_LOGIT } =
  model.constants;
const { ENERGY_LOGIT_SLOPE, ENERGY_LOGIT_SHIFT, STEPS_PER_EXTENT } = model.constants;
const { COMMA_TEXTS, COMMA_TOP, COMMA_HEIGHT, COMMA_REACH } = model.constants;

const distance = ([x, y], [otherX, otherY]) =>
  Math.sqrt((x - otherX) * (x - otherX) + (y - otherY) * (y - otherY));
const compareLexically = (first, second) =>
  first.reduce((order, value, i) => order || value - second[i], 0);
const longerSide = ([left, top, right, bottom]) => Math.max(right - left, bottom - top);

/** Return the visible parts of each stroke, {points, width, box}. An eraser may leave several. */
function strokePieces(strokes, size) {
  let pieces = [];
  const isErased = makeGrid();
  for (const stroke of [...strokes].reverse()) {
    if (stroke.erase) {
      const isDense = stroke.points.length > DENSE_POINTS;
      eraseAlong(stroke, clip(stroke, size), size, isErased, isDense);
      continue;
    }
    const parts = visibleLines([stroke], size, isErased).flatMap(({ points, width }) =>
      splitAtJumps(points, width).map((part) => ({
        points: part,
        width,
        box: bounds(part).flat(),
      })),
    );
    pieces = [...parts, ...pieces];
  }
  return pieces;
}

/** Split a line between consecutive points that are farther apart than the brush's width. */
function splitAtJumps(points, width) {
  const longestStep = Math.max(width, longerSide(bounds(points).flat()) / STEPS_PER_EXTENT);
  const parts = [];
  points.forEach((point, i) => {
    const isNear = i > 0 && distance(points[i - 1], point) <= longestStep;
    if (isNear) parts.at(-1).push(point);
    else parts.push([point]);
  });
  return parts;
}

/** Return the height of the digits: the median over pieces, weighted by their heights. */
function digitHeight(pieces) {
  const heights = pieces.map(({ box: [, top, , bottom] }) =>
    Math.max(bottom - top, MIN_PIECE_HEIGHT),
  );
  heights.sort((first, second) => first - second);
  const total = heights.reduce((sum, height) => sum + height);
  let sum = 0;
  return heights.find((height) => (sum += height) >= total / 2);
}

/** Keep the items whose longer side is at least this long, or the largest if none is. */
function withoutSmall(items, minSize) {
  const sizes = items.map(({ box }) => longerSide(box));
  const smallest = Math.min(minSize, Math.max(...sizes));
  return items.filter((_, i) => sizes[i] >= smallest);
}

/** Return the logit of a score; one from an energy is stretched to the range of learned ones. */
function scoreLogit(score) {
  const clipped = Math.min(Math.max(score, MIN_SCORE), 1 - MIN_SCORE);
  const logit = Math.log(clipped / (1 - clipped));
  return Math.min(
    refusalLayers.length ? logit : ENERGY_LOGIT_SLOPE * logit + ENERGY_LOGIT_SHIFT,
    MAX_SCORE_LOGIT,
  );
}

/** Return the smallest box around boxes, each [left, top, right, bottom]. */
function enclosingBox(boxes) {
  return [0, 1, 2, 3].map((side) =>
    (side < 2 ? Math.min : Math.max)(...boxes.map((box) => box[side])),
  );
}

/**
 * Return distances between nearby pieces, [piece][piece], in heights of a digit. Others are
 * infinite.
 */
function measureDistances(pieces, scale) {
  const samples = pieces.map(({ points }) =>
    points.filter((_, i) => i % Math.ceil(points.length / MAX_SAMPLES) === 0),
  );
  const distances = pieces.map(() => new Float64Array(pieces.length).fill(Infinity));
  for (let first = 0; first < pieces.length; first++)
    for (let second = first + 1; second < Math.min(first + MAX_SPAN, pieces.length); second++) {
      let shortest = Infinity;
      for (const point of samples[first])
        for (const other of samples[second]) shortest = Math.min(shortest, distance(point, other));
      distances[first][second] = distances[second][first] = shortest / scale;
    }
  return distances;
}

/** Return the widest gap to bridge to connect all pieces of a group. */
function widestGap(distances, [first, ...rest]) {
  const reached = [first];
  let widest = 0;
  while (rest.length) {
    const gaps = rest.map((piece) => Math.min(...reached.map((other) => distances[other][piece])));
    const narrowest = Math.min(...gaps);
    widest = Math.max(widest, narrowest);
    reached.push(...rest.splice(gaps.indexOf(narrowest), 1));
  }
  return widest;
}

/**
 * Yield every choice of pieces among five consecutive ones, as lists of indices, ordered by the
 * first.
 */
function* neighbours(count) {
  for (let first = 0; first < count; first++) {
    const span = Math.min(MAX_SPAN, count - first);
    // a bit mask with the first piece always chosen
    for (let chosen = 1; chosen < 2 ** span; chosen += 2)
      yield Array.from({ length: span }, (_, bit) => bit)
        .filter((bit) => (chosen >> bit) & 1)
        .map((bit) => first + bit);
  }
}

/** Return the groups of neighbours that may be one digit: [{members, features}, ...]. */
function plausibleGroups(pieces, scale) {
  const boxes = pieces.map(({ box }) => box.map((side) => side / scale));
  const distances = measureDistances(pieces, scale);
  const groups = [];
  for (const members of neighbours(pieces.length)) {
    const [left, top, right, bottom] = enclosingBox(members.map((piece) => boxes[piece]));
    const width = right - left;
    const height = bottom - top;
    const gap = widestGap(distances, members);
    if (members.length > 1 && (width > MAX_WIDTH || height > MAX_HEIGHT || gap > MAX_GAP)) continue;
    let overlap = 0;
    let clearance = CLEARANCE;
    const end = Math.min(members.at(-1) + MAX_SPAN, pieces.length);
    for (let other = Math.max(0, members[0] - MAX_SPAN); other < end; other++) {
      if (members.includes(other)) continue;
      const [otherLeft, otherTop, otherRight, otherBottom] = boxes[other];
      const narrower = Math.max(Math.min(width, otherRight - otherLeft), MIN_WIDTH);
      if (Math.min(bottom, otherBottom) - Math.max(top, otherTop) > -LINE_GAP)
        overlap = Math.max(
          overlap,
          (Math.min(right, otherRight) - Math.max(left, otherLeft)) / narrower,
        );
      clearance = Math.min(clearance, ...members.map((piece) => distances[piece][other]));
    }
    groups.push({
      members,
      features: {
        intercept: 1,
        widest_gap: gap,
        shortness: Math.max(Math.log(TYPICAL_HEIGHT / Math.max(height, MIN_HEIGHT)), 0),
        excess_width: Math.max(width - TYPICAL_WIDTH, 0),
        overlap,
        crowding: CLEARANCE - clearance,
      },
    });
  }
  return groups;
}

/** Return the weighted sum of features. */
function weightedSum(features, weights) {
  return Object.entries(weights).reduce((sum, [name, weight]) => sum + weight * features[name], 0);
}

/**
 * Divide pieces into the groups {members, worth} with the largest total worth, by dynamic
 * programming.
 */
function bestDivision(groups, count) {
  // by a bit mask of the next pieces that are in a group already
  let best = new Map([[0, { total: 0, division: [] }]]);
  for (let first = 0; first < count; first++) {
    const reached = new Map();
    const keepBetter = (taken, total, division) => {
      if (!reached.has(taken) || total > reached.get(taken).total)
        reached.set(taken, { total, division });
    };
    const starting = groups.filter(({ members }) => members[0] === first);
    for (const [taken, { total, division }] of best) {
      if (taken & 1) {
        keepBetter(taken >> 1, total, division);
        continue;
      }
      for (const group of starting) {
        const mask = group.members.reduce((sum, piece) => sum + (1 << (piece - first)), 0);
        if (!(taken & mask))
          keepBetter((taken | mask) >> 1, total + group.worth, [...division, group]);
      }
    }
    best = reached;
  }
  return best.get(0).division;
}

/** Return whether a refused sign is as low as a dash. */
function isDash({ text, box: [, top, , bottom] }, scale) {
  return text === "?" && bottom - top < MAX_DASH_HEIGHT * scale;
}

/** Return whether a sign that may be a comma is low and short, and to the right of a digit. */
function isCommaBehind(digit, sign, scale) {
  const [left, top, , bottom] = sign.box;
  const [digitLeft, digitTop, digitRight, digitBottom] = digit.box;
  const height = Math.max(digitBottom - digitTop, scale);
  const [lowest, highest] = COMMA_TOP;
  const above = (digitBottom - top) / height;
  const isLow = lowest < above && above < highest;
  const isShort = bottom - top < COMMA_HEIGHT * height;
  const isBehind =
    (digitLeft + digitRight) / 2 < left && left < digitRight + COMMA_REACH * height;
  return COMMA_TEXTS.includes(sign.text) && isLow && isShort && isBehind;
}

/** Remove dashes, and commas and points behind digits, unless there is nothing else. */
function withoutPunctuation(signs, scale) {
  const kept = signs.filter(
    (sign) =>
      !isDash(sign, scale) && !signs.some((digit) => isCommaBehind(digit, sign, scale)),
  );
  return kept.length ? kept : signs;
}

/** Return whether two boxes overlap vertically by over a third of the lower one's height. */
function shareLine([, top, , bottom], [, otherTop, , otherBottom]) {
  const overlap = Math.min(bottom, otherBottom) - Math.max(top, otherTop);
  return overlap > MIN_LINE_OVERLAP * Math.min(bottom - top, otherBottom - otherTop);
}

/**
 * Arrange digits in lines from top to bottom, each from left to right. A digit follows the nearest
 * one to its left.
 */
function arrangeInLines(digits) {
  const lines = [];
  const centreX = ({ box: [left, , right] }) => (left + right) / 2;
  for (const digit of [...digits].sort((first, second) => centreX(first) - centreX(second))) {
    const candidates = lines.filter((line) => shareLine(line.at(-1).box, digit.box));
    const nearest = candidates.reduce(
      (a, b) => (b.at(-1).box[2] > a.at(-1).box[2] ? b : a),
      candidates[0],
    );
    if (nearest) nearest.push(digit);
    else lines.push([digit]);
  }
  const centreY = (line) =>
    line.reduce((sum, { box: [, top, , bottom] }) => sum + (top + bottom) / 2, 0) / line.length;
  return lines.sort((first, second) => centreY(first) - centreY(second));
}

// ---- Slashes, as in dates

const { MAX_COMPARED, MIN_COMPARED, EXTENSION_RANGE, LEAN_RANGE, MAX_THICKNESS } = model.constants;
const { MIN_VARIANCE, MIN_WORTH_ALONE, MIN_WORTH_IN_DATE, DAY_OR_MONTH, YEAR } = model.constants;

/** Return the median of numbers. */
function median(numbers) {
  const sorted = [...numbers].sort((first, second) => first - second);
  const middle = (sorted.length - 1) / 2;
  return (sorted[Math.floor(middle)] + sorted[Math.ceil(middle)]) / 2;
}

function clamp(number, [low, high]) {
  return Math.min(Math.max(number, low), high);
}

/**
 * Return the slant of ink to the right, x per y, and its thickness per length: the ratio of the
 * standard deviations across and along the stroke.
 */
function measureStroke(image) {
  let [total, sumX, sumY] = [0, 0, 0];
  image.forEach((ink, place) => {
    total += ink;
    sumX += ink * (place % SIDE);
    sumY += ink * Math.floor(place / SIDE);
  });
  let [ofX, ofY, ofBoth] = [0, 0, 0]; // variances and covariance
  image.forEach((ink, place) => {
    const x = (place % SIDE) - sumX / total;
    const y = Math.floor(place / SIDE) - sumY / total;
    ofX += (ink * x * x) / total;
    ofY += (ink * y * y) / total;
    ofBoth += (ink * x * y) / total;
  });
  const middle = (ofX + ofY) / 2;
  const radius = Math.hypot((ofX - ofY) / 2, ofBoth); // of the eigenvalues around their middle
  const [across, along] = [middle - radius, middle + radius];
  return {
    slant: -ofBoth / Math.max(ofY, MIN_VARIANCE),
    thickness: Math.sqrt(Math.max(across, 0) / Math.max(along, MIN_VARIANCE)),
  };
}

/** Return the logarithm of how much likelier a digit of a line is a slash than a 1. */
function slashWorth(line, place) {
  const { box, image, probabilities } = line[place];
  const near = line
    .map((digit, other) => ({ digit, steps: Math.abs(other - place) }))
    .filter(({ steps }) => steps > 0)
    .sort((first, second) => first.steps - second.steps)
    .slice(0, MAX_COMPARED)
    .map(({ digit }) => digit);
  const best = probabilities.indexOf(Math.max(...probabilities));
  if (near.length < MIN_COMPARED || best !== 1) return -Infinity;
  const [top, bottom] = [1, 3].map((side) => median(near.map((digit) => digit.box[side])));
  const height = Math.max(bottom - top, 1);
  const { slant, thickness } = measureStroke(image);
  const usualSlant = median(near.map((digit) => measureStroke(digit.image).slant));
  return weightedSum(
    {
      slash: 1,
      slash_above: clamp((top - box[1]) / height, EXTENSION_RANGE),
      slash_below: clamp((box[3] - bottom) / height, EXTENSION_RANGE),
      slash_lean: clamp(slant - usualSlant, LEAN_RANGE),
      slash_thickness: Math.min(thickness, MAX_THICKNESS),
    },
    model.slashes,
  );
}

/** Return whether so many digits may be day, month and year, or year, month and day. */
function isDate(before, between, after) {
  const isYearLast = DAY_OR_MONTH.includes(before) && YEAR.includes(after);
  const isYearFirst = YEAR.includes(before) && DAY_OR_MONTH.includes(after);
  return DAY_OR_MONTH.includes(between) && (isYearLast || isYearFirst);
}

/** Return the places of the two slashes of a date, or an empty list. */
function slashesOfDate(worths) {
  let best = [];
  let bestWorth = MIN_WORTH_IN_DATE;
  for (let first = 0; first < worths.length; first++)
    for (let second = first + 1; second < worths.length; second++) {
      const worth = worths[first] + worths[second];
      if (worth > bestWorth && isDate(first, second - first - 1, worths.length - second - 1))
        [best, bestWorth] = [[first, second], worth];
    }
  return best;
}

/** Remove slashes from a line of digits, ordered from left to right. */
function withoutSlashes(line) {
  const worths = line.map((_, place) => slashWorth(line, place));
  const isBetweenDigits = (place) => place > 0 && place < line.length - 1;
  let slashes = slashesOfDate(worths);
  if (!slashes.length)
    slashes = [...line.keys()].filter(
      (place) => isBetweenDigits(place) && worths[place] > MIN_WORTH_ALONE,
    );
  return line.filter((_, place) => !slashes.includes(place));
}

// ---- Brackets, as in a telephone number

const { MIN_BOW, MIN_EXTENSION, MIN_INK } = model.constants;

/** Remove pairs of brackets from a line of digits, ordered from left to right. */
function withoutBrackets(line) {
  const removed = [];
  let opening = null;
  line.forEach(({ image }, place) => {
    const bow = mayBeBracket(line, place) ? measureBow(image) : 0;
    if (bow > MIN_BOW) opening = place;
    else if (bow < -MIN_BOW && opening !== null && place > opening + 1) {
      removed.push(opening, place);
      opening = null;
    }
  });
  return line.filter((_, place) => !removed.includes(place));
}

/** Return whether a sign is read as 1 and taller than the digits of the line. */
function mayBeBracket(line, place) {
  const { box, probabilities } = line[place];
  const best = probabilities.indexOf(Math.max(...probabilities));
  if (line.length < 3 || best !== 1) return false;
  const others = line.filter((_, other) => other !== place);
  const usualHeight = median(others.map((sign) => sign.box[3] - sign.box[1]));
  return box[3] - box[1] > (1 + MIN_EXTENSION) * usualHeight;
}

/** Return how far the middle of a stroke is to the left of its ends, in heights of it. */
function measureBow(image) {
  const rows = [];
  for (let row = 0; row < SIDE; row++) {
    const inks = Array.from(image.slice(row * SIDE, (row + 1) * SIDE));
    const amount = inks.reduce((sum, ink) => sum + ink, 0);
    const moment = inks.reduce((sum, ink, x) => sum + ink * x, 0);
    if (amount > MIN_INK) rows.push({ amount, centre: moment / amount });
  }
  const mean = (value) =>
    rows.reduce((sum, { amount }, i) => sum + amount * value(i), 0) /
    rows.reduce((sum, { amount }) => sum + amount, 0);
  // the square of the place along the stroke, without its mean and its slope: what they do not
  // explain of the centres is the bow
  const along = (i) => (2 * i) / (rows.length - 1) - 1;
  const meanAlong = mean(along);
  const meanSquare = mean((i) => along(i) ** 2);
  const level = (i) => along(i) - meanAlong;
  const slope = mean((i) => level(i) * along(i) ** 2) / mean((i) => level(i) ** 2);
  const bend = (i) => along(i) ** 2 - meanSquare - slope * level(i);
  const curvature = mean((i) => bend(i) * rows[i].centre) / mean((i) => bend(i) ** 2);
  return curvature / rows.length;
}

// ---- The interface: window.mnistReader

/**
 * Read a drawing of one digit on a square canvas: {image: 784 integers, probabilities: 10 numbers,
 * score in [0, 1]}.
 */
function read(strokes, size = CANVAS) {
  const checked = checkStrokes(strokes, size);
  const lines = visibleLines(checked, size);
  return readLines(lines, widestBrush(checked));
}

function readLines(lines, brush) {
  const image = prepare(inkAlong(lines, brush));
  return { image: Array.from(image), ...predict(image) };
}

// a cache of the readings of groups, in the previous number and in this one: a new stroke changes
// few groups
let previousReadings = new Map();
let currentReadings = new Map();

/** Read pieces as one digit, `stretch` times as wide, and slanted by `slant` (x per y). */
function readPieces(pieces, [stretch, slant] = [1, 0]) {
  const key = [stretch, slant, ...pieces.map(({ points, width }) => [width, ...points])].join("|");
  let reading = currentReadings.get(key) ?? previousReadings.get(key);
  if (!reading) {
    const lines = pieces.map(({ points }) => ({
      points: points.map(([x, y]) => [stretch * x + slant * y, y]),
    }));
    reading = readLines(lines, widestBrush(pieces));
  }
  currentReadings.set(key, reading);
  return reading;
}

/**
 * Divide pieces, ordered from left to right, into the groups that look most like digits: [{pieces,
 * box, ...reading}, ...].
 */
function readGroups(pieces, scale) {
  const groups = plausibleGroups(pieces, scale).map(({ members, features }) => {
    const ownPieces = members.map((piece) => pieces[piece]);
    const reading = readPieces(ownPieces);
    const { score, probabilities } = reading;
    const allFeatures = {
      ...features,
      score_logit: scoreLogit(score),
      four_probability: probabilities[4],
    };
    return {
      members,
      worth: weightedSum(allFeatures, model.grouping), // the log likelihood that it is one digit
      pieces: ownPieces,
      box: enclosingBox(ownPieces.map(({ box }) => box)),
      ...reading,
    };
  });
  return bestDivision(groups, pieces.length);
}

/**
 * Return the digit, or "?" if `factor` times its score is too low. A doubtful digit is read in
 * several forms, and their probabilities are averaged.
 */
function readClosely({ pieces, box, image, probabilities, score }, factor) {
  if (Math.max(...probabilities) < DOUBTFUL) {
    const forms = [probabilities, ...FORMS.map((form) => readPieces(pieces, form).probabilities)];
    probabilities = probabilities.map((_, digit) =>
      forms.reduce((sum, form) => sum + form[digit] / forms.length, 0),
    );
  }
  const best = String(probabilities.indexOf(Math.max(...probabilities)));
  return {
    text: factor * score < model.refused ? "?" : best,
    box,
    image,
    probabilities,
    score,
  };
}

/**
 * Read a drawing of several digits: {text, digits: [{text, box, image, probabilities, score}],
 * confidence in [0, 1]}.
 */
function readNumber(strokes, size = CANVAS) {
  [previousReadings, currentReadings] = [currentReadings, new Map()];
  const checked = checkStrokes(strokes, size);
  const allPieces = strokePieces(checked, size);
  if (!allPieces.length) throw new NoInkError("there is no ink here: draw a number first");
  const scale = digitHeight(allPieces);
  const pieces = withoutSmall(allPieces, MIN_PIECE_SIZE * scale);
  if (pieces.length > MAX_PIECES)
    throw new RangeError(
      `there are ${pieces.length} pieces of ink here, but a number has at most ${MAX_PIECES}`,
    );
  const place = ({ box: [left, top, right, bottom] }) => [
    left + right,
    top + bottom,
    left,
    top,
    right,
    bottom,
  ];
  pieces.sort((first, second) => compareLexically(place(first), place(second)));
  const readings = withoutSmall(readGroups(pieces, scale), MIN_DIGIT_SIZE * scale);
  const factor = readings.length > 1 ? SCORE_FACTOR : 1;
  const signs = readings.map((reading) => readClosely(reading, factor));
  const lines = arrangeInLines(withoutPunctuation(signs, scale)).map((line) =>
    withoutSlashes(withoutBrackets(line)),
  );
  const digits = lines.flat();
  return {
    text: lines.map((line) => line.map(({ text }) => text).join("")).join("\n"),
    digits,
    confidence: digits.reduce(
      (product, { probabilities, score }) => product * Math.max(...probabilities) * score,
      1,
    ),
  };
}

window.mnistReader = Object.freeze({
  read,
  readNumber,
  refused: model.refused,
  constants: model.constants,
});
