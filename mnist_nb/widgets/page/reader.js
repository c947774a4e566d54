// Reads drawings without Python: the raster, MNIST's five steps, the network and whole numbers, as
// the package does.
// Names and the order of operations are those of handwriting/{sketch,raster,preprocessing,pieces,
// grouping,numbers}.py and models/networks.py, so that both give the same image; a test has
// hundreds of drawings read by both.

const model = JSON.parse(document.getElementById("model").textContent);
const { SIDE, BOX, PEN_WIDTH, RASTER, SMALLEST_SIDE, CENTRE } = model.constants; // Python's own
const { CANVAS, ERASER_GRID, DOT_EXTENT, DENSE_POINTS, QUARTERS, STEPS_PER_ERASER } =
  model.constants;
const BRUSH = 16; // on a canvas of the default size, for strokes without a width

/** There is nothing to read. */
class NoInkError extends RangeError {
  name = "NoInkError";
}

// ---- strokes: {points: [[x, y], ...], width, erase}, x right and y down

/**
 * A stroke as Python holds it, coordinates rounded to 32 bits; a plain list of points gets the
 * first brush.
 */
function checkedStroke(stroke, size) {
  const {
    points,
    width = (BRUSH * size) / CANVAS,
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

/**
 * [[start, stop], ...]: a stroke's straight pieces, cut where the brush leaves the canvas
 * altogether.
 */
function clip({ points, width }, size) {
  const pieces =
    points.length === 1
      ? [[points[0], points[0]]]
      : points.slice(1).map((stop, i) => [points[i], stop]);
  const low = -width / 2;
  const high = size + width / 2;
  if (points.every(([x, y]) => x >= low && y >= low && x <= high && y <= high)) return pieces;
  const seen = [];
  for (const [start, stop] of pieces) {
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
      seen.push(
        [enter, leave].map((part) => [0, 1].map((axis) => start[axis] + part * step[axis])),
      );
  }
  return seen;
}

/**
 * Points along straight pieces, both ends of each among them, no further apart than the spacing.
 */
function walk(pieces, spacing) {
  const points = [];
  for (const [[x, y], stop] of pieces) {
    const dx = stop[0] - x;
    const dy = stop[1] - y;
    const count = spacing > 0 ? Math.ceil(Math.sqrt(dx * dx + dy * dy) / spacing) + 1 : 1;
    for (let i = 0; i < count; i++) {
      const part = i / Math.max(count - 1, 1);
      points.push([x + part * dx, y + part * dy]);
    }
  }
  return points;
}

/** Mark the pixels of a square image whose centre is in a disc around any of the points. */
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

/** [lowest, highest] x and y of some points. */
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
 * A filter that keeps the first point in each cell of a square grid, so that a dense scribble costs
 * no more.
 */
function sieve([left, top], side, cells) {
  const scale = side > 0 ? cells / side : 0;
  const taken = new Set();
  return ([x, y]) => {
    const cell = Math.trunc((y - top) * scale) * (cells + 1) + Math.trunc((x - left) * scale);
    return !taken.has(cell) && taken.add(cell);
  };
}

/**
 * Lines and erasers as close points, latest first, without the parts that are off the canvas or
 * erased.
 */
function visibleLines(strokes, size) {
  const paths = strokes.map((stroke) => [stroke, clip(stroke, size)]);
  const [low, high] = bounds(
    paths.flatMap(([stroke, pieces]) => (stroke.erase ? [] : pieces.flat())),
  );
  const extent = Math.max(high[0] - low[0], high[1] - low[1]);
  const spacing = extent / RASTER;
  const grid = ERASER_GRID / size;
  const isDense = strokes.reduce((sum, { points }) => sum + points.length, 0) > DENSE_POINTS;
  const brush = Math.max(...strokes.map(({ width, erase }) => (erase ? 0 : width)));
  const lineSieve = sieve(
    low,
    extent < DOT_EXTENT * brush ? extent + brush : extent,
    QUARTERS * RASTER,
  );
  const cell = (value) => Math.min(Math.max(Math.trunc(value * grid), 0), ERASER_GRID - 1);
  const onGrid = (points) => points.map(([x, y]) => [x * grid, y * grid]);
  const gone = new Uint8Array(ERASER_GRID * ERASER_GRID);
  const drawn = [];
  let erased = false;
  for (const [{ width, erase }, pieces] of paths.reverse()) {
    if (erase) {
      const step = Math.max(width / STEPS_PER_ERASER, size / ERASER_GRID);
      const side = size + width;
      const keep = sieve([-width / 2, -width / 2], side, Math.ceil((QUARTERS * side) / step));
      const points = walk(pieces, step).filter((point) => !isDense || keep(point));
      discs(onGrid(points), (width / 2) * grid, ERASER_GRID, gone);
      drawn.push({ points, width, erase });
      erased = true;
      continue;
    }
    let points = walk(pieces, erased && gone.includes(1) ? spacing / QUARTERS : spacing);
    if (isDense) points = points.filter(lineSieve);
    if (erased) points = points.filter(([x, y]) => !gone[cell(y) * ERASER_GRID + cell(x)]);
    if (points.length) drawn.push({ points, width, erase });
  }
  return drawn;
}

/**
 * The lines of visibleLines, drawn with MNIST's pen, 160 pixels along the longest side: 0 or 1,
 * [160 * 160].
 */
function inkAlong(drawn, brush) {
  const [corner, opposite] = bounds(drawn.flatMap(({ points, erase }) => (erase ? [] : points)));
  const extent = Math.max(opposite[0] - corner[0], opposite[1] - corner[1]);
  if (!(extent >= 0)) throw new NoInkError("there is no ink on the canvas: draw something first");
  let radius = (PEN_WIDTH * RASTER) / BOX / 2;
  let scale = (RASTER - 2 * radius) / extent;
  if (extent < DOT_EXTENT * brush) {
    // there is no shape to fit the pen to, only the brush's
    scale = RASTER / (extent + brush);
    radius = (scale * brush) / 2;
  }
  const ink = new Uint8Array(RASTER * RASTER);
  const gone = new Uint8Array(RASTER * RASTER);
  let erased = false;
  for (const { points, width, erase } of drawn) {
    const placed = points.map(([x, y]) => [
      (x - corner[0]) * scale + radius,
      (y - corner[1]) * scale + radius,
    ]);
    if (erase) discs(placed, (width / 2) * scale, RASTER, gone);
    else if (!erased) discs(placed, radius, RASTER, ink);
    else
      discs(placed, radius, RASTER).forEach((inked, i) => {
        ink[i] |= inked & ~gone[i];
      });
    erased ||= erase;
  }
  if (!ink.includes(1))
    throw new NoInkError("there is no ink left on the canvas: draw something first");
  return ink;
}

// ---- MNIST's five steps

/**
 * For each of `side` pixels, the boxes of 20 equal ones that it overlaps, and the part of each that
 * it covers.
 */
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

/** Round to the nearest integer, halves to even. */
function rint(value) {
  const below = Math.floor(value);
  const rest = value - below;
  return below + (rest > 0.5 || (rest === 0.5 && below % 2) ? 1 : 0);
}

/**
 * How far to move 20 rows (or columns) of the given ink to bring their centre of mass to index 14.
 */
function shift(profile) {
  const total = profile.reduce((sum, ink) => sum + ink);
  const moment = profile.reduce((sum, ink, i) => sum + ink * i, 0);
  const first = profile.findIndex(Boolean);
  const last = profile.findLastIndex(Boolean);
  return Math.min(Math.max(Math.floor(CENTRE + 0.5 - moment / total), -first), SIDE - 1 - last);
}

/** The lowest and highest [x, y] of inked pixels. */
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

/** Crop to the ink, pad to a square of at least 10 pixels, resample by area to 20x20: [400]. */
function resample(ink) {
  const [low, high] = inkBounds(ink);
  const [wide, tall] = [0, 1].map((axis) => high[axis] - low[axis] + 1);
  const side = Math.max(wide, tall, SMALLEST_SIDE);
  const parts = coverage(side);
  const left = Math.floor((side - wide) / 2) - low[0];
  const top = Math.floor((side - tall) / 2) - low[1];
  const rows = new Float64Array(BOX * side); // resampled vertically
  const resampled = new Float64Array(BOX * BOX);
  for (let y = low[1]; y <= high[1]; y++)
    for (const [box, part] of parts[y + top])
      for (let x = low[0]; x <= high[0]; x++)
        if (ink[y * RASTER + x]) rows[box * side + x + left] += part;
  for (let i = 0; i < BOX * side; i++)
    if (rows[i])
      for (const [box, part] of parts[i % side])
        resampled[Math.floor(i / side) * BOX + box] += part * rows[i];
  return resampled;
}

/** Scale the peak to 255 and round; ink never rounds to 0. */
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
  const right = shift(columns);
  const down = shift(rows);
  const image = new Uint8Array(SIDE * SIDE);
  scaled.forEach((value, i) => {
    if (value) image[(Math.floor(i / BOX) + down) * SIDE + (i % BOX) + right] = value;
  });
  return image;
}

/** The image of a drawing as MNIST's makers would have made it: [784] bytes. */
function prepare(ink) {
  const resampled = resample(ink);
  const scaled = scaleTo255(resampled);
  return centre(scaled);
}

// ---- the network: a list of layers {kind, input, output, ...}
// shapes are [channels, height, width] or [units]

// five characters are four bytes, as Python's base64.b85encode has them, but with "." for "<"
const SIGNS =
  "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;.=>?@^_`{|}~";

/** The numbers in a text of five characters for each. */
function decode(text) {
  const bytes = new DataView(new ArrayBuffer((text.length / 5) * 4));
  for (let i = 0; i < text.length; i += 5) {
    let word = 0;
    for (const sign of text.slice(i, i + 5)) word = 85 * word + SIGNS.indexOf(sign);
    bytes.setUint32((i / 5) * 4, word);
  }
  return Float64Array.from(new Float32Array(bytes.buffer)); // sums need 64 bits
}

/** Give each layer its arrays, such as `weight`: they follow each other in the numbers. */
function withArrays(layers, numbers) {
  let used = 0;
  const complete = layers.map((layer) => {
    const arrays = Object.entries(layer.arrays).map(([name, length]) => {
      used += length;
      return [name, numbers.subarray(used - length, used)];
    });
    return { ...layer, ...Object.fromEntries(arrays) };
  });
  if (used !== numbers.length || !numbers.every(Number.isFinite))
    throw new Error("the weights in this page are damaged");
  return complete;
}

const allLayers = withArrays([...model.layers, ...model.refusal_layers], decode(model.weights));
const layers = allLayers.slice(0, model.layers.length);
const refusalLayers = allLayers.slice(model.layers.length);

/** Weighted sums of the inputs; weight is [outputs, inputs]. */
function linear(values, { input: [inputs], output: [outputs], weight, bias }) {
  return Float64Array.from({ length: outputs }, (_, output) => {
    let sum = bias[output];
    for (let i = 0, at = output * inputs; i < inputs; i++) sum += weight[at + i] * values[i];
    return sum;
  });
}

/**
 * For each number under the kernel, [channel, row, column], its values at all positions of the
 * output.
 */
function underKernel(
  values,
  { input, output: [, rows, columns], kernel, stride: [down, right], padding: [above, before] },
  filling,
) {
  const [channels, height, width] = input;
  const [kernelHeight, kernelWidth] = kernel;
  const covered = [];
  for (let channel = 0; channel < channels; channel++)
    for (let top = -above; top < kernelHeight - above; top++)
      for (let left = -before; left < kernelWidth - before; left++) {
        const map = new Float64Array(rows * columns).fill(filling); // beyond the edges
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
 * Weighted sums of the values under the kernel; weight is [outputs, channels, kernel's height,
 * kernel's width].
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
  // zeros: four at once take half the time
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

/** The greatest value under the kernel, in each channel. */
function maxPool(values, layer) {
  const {
    output: [channels, rows, columns],
    kernel,
  } = layer;
  const size = rows * columns;
  const covered = underKernel(values, layer, -Infinity);
  const greatest = new Float64Array(channels * size).fill(-Infinity);
  covered.forEach((map, i) => {
    const start = Math.floor(i / (kernel[0] * kernel[1])) * size;
    for (let at = 0; at < size; at++)
      greatest[start + at] = Math.max(greatest[start + at], map[at]);
  });
  return greatest;
}

/** Each channel times its scale, plus its shift. */
function normalize(values, { input: [channels, height, width], scale, shift }) {
  const size = height * width;
  const normalized = new Float64Array(values.length);
  for (let channel = 0, at = 0; channel < channels; channel++)
    for (const end = at + size; at < end; at++)
      normalized[at] = values[at] * scale[channel] + shift[channel];
  return normalized;
}

const RUN = {
  Linear: linear,
  Conv2d: convolve,
  MaxPool2d: maxPool,
  BatchNorm2d: normalize,
  ReLU: (values) => values.map((value) => Math.max(value, 0)),
  Flatten: (values) => values, // the maps are contiguous already
};
const run = (values, layer) => RUN[layer.kind](values, layer);

/**
 * {logits: 10 numbers, hidden: the sums of all hidden units}, as Network.hidden_and_logits has
 * them.
 */
function forward(image) {
  const linearInputs = [];
  const linearSums = [];
  let values = Float64Array.from(image, (pixel) => pixel / 255);
  for (const layer of layers) {
    const inputs = values;
    values = run(inputs, layer);
    if (layer.kind !== "Linear") continue;
    linearInputs.push(inputs);
    linearSums.push(values);
  }
  const hidden = linearSums.length > 1 ? linearSums.slice(0, -1) : linearInputs;
  return { logits: values, hidden: Float64Array.from(hidden.flatMap((part) => [...part])) };
}

/**
 * {probabilities: 10 numbers, score: how sure it is that this is a digit at all} for an image of
 * 784 bytes.
 */
function predict(image) {
  const { logits, hidden } = forward(image);
  const { mean, deviation, shift } = model.energy;
  const most = Math.max(...logits);
  const shares = Array.from(logits, (logit) => Math.exp(logit - most));
  const total = shares.reduce((sum, share) => sum + share);
  const energy = most + Math.log(total);
  let [noDigit, digit] = [0, (energy - mean) / deviation + shift];
  if (refusalLayers.length) [noDigit, digit] = refusalLayers.reduce(run, hidden);
  return {
    probabilities: shares.map((share) => share / total),
    score: 1 / (1 + Math.exp(noDigit - digit)),
  };
}

// ---- whole numbers: strokes are divided into digits as handwriting/{pieces,grouping,numbers}.py
// do it

const {
  MAX_PIECES,
  MIN_PIECE_SIZE,
  MIN_PIECE_HEIGHT,
  MIN_DIGIT_SIZE,
  MIN_LINE_OVERLAP,
  DOUBTFUL,
  FORMS,
} = model.constants;
const { MAX_SPAN, MAX_GAP, MAX_WIDTH, MAX_HEIGHT, TYPICAL_WIDTH, TYPICAL_HEIGHT, CLEARANCE } =
  model.constants;
const { MIN_WIDTH, MIN_HEIGHT, LINE_GAP, MAX_SAMPLES, SCORE_FACTOR, MIN_SCORE, MAX_SCORE_LOGIT } =
  model.constants;
const { ENERGY_LOGIT_SLOPE, ENERGY_LOGIT_SHIFT, STEPS_PER_EXTENT } = model.constants;

const distance = ([x, y], [otherX, otherY]) =>
  Math.sqrt((x - otherX) * (x - otherX) + (y - otherY) * (y - otherY));
const lexically = (first, second) =>
  first.reduce((order, value, i) => order || value - second[i], 0);
const longerSide = ([left, top, right, bottom]) => Math.max(right - left, bottom - top);

/** {points, width, box} of the visible parts of each stroke; an eraser may leave several. */
function strokePieces(strokes, size) {
  const pieces = [];
  strokes.forEach((stroke, i) => {
    if (stroke.erase) return;
    const laterErasers = strokes.slice(i + 1).filter(({ erase }) => erase);
    const lines = visibleLines([stroke, ...laterErasers], size).filter(({ erase }) => !erase);
    for (const { points, width } of lines)
      for (const part of splitAtJumps(points, width))
        pieces.push({ points: part, width, box: bounds(part).flat() });
  });
  return pieces;
}

/** Split close points where two that follow each other are farther apart than the brush. */
function splitAtJumps(points, width) {
  const longestStep = Math.max(width, longerSide(bounds(points).flat()) / STEPS_PER_EXTENT);
  const parts = [];
  points.forEach((point, i) => {
    if (i && distance(points[i - 1], point) <= longestStep) parts.at(-1).push(point);
    else parts.push([point]);
  });
  return parts;
}

/** The height of the digits: the median over pieces, each weighted by its own height. */
function digitHeight(pieces) {
  const heights = pieces.map(({ box: [, top, , bottom] }) =>
    Math.max(bottom - top, MIN_PIECE_HEIGHT),
  );
  heights.sort((first, second) => first - second);
  const total = heights.reduce((sum, height) => sum + height);
  let sum = 0;
  return heights.find((height) => (sum += height) >= total / 2);
}

/** The parts whose box is at least this large; the largest ones if none is. */
function withoutSmaller(parts, minSize) {
  const sizes = parts.map(({ box }) => longerSide(box));
  const smallest = Math.min(minSize, Math.max(...sizes));
  return parts.filter((_, i) => sizes[i] >= smallest);
}

/** The logit of a score; one from an energy is stretched to the range of learned ones. */
function scoreLogit(score) {
  const share = Math.min(Math.max(score, MIN_SCORE), 1 - MIN_SCORE);
  const logit = Math.log(share / (1 - share));
  return Math.min(
    refusalLayers.length ? logit : ENERGY_LOGIT_SLOPE * logit + ENERGY_LOGIT_SHIFT,
    MAX_SCORE_LOGIT,
  );
}

/** The box around some boxes, each [left, top, right, bottom]. */
function enclosingBox(boxes) {
  return [0, 1, 2, 3].map((side) =>
    (side < 2 ? Math.min : Math.max)(...boxes.map((box) => box[side])),
  );
}

/**
 * Distances between pieces near each other, [piece][piece], in heights of a digit; infinite for the
 * rest.
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

/** The widest gap that must be bridged to connect all pieces of a group. */
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
 * Every choice of pieces among five that follow each other: lists of indices, ordered by the first.
 */
function* neighbours(count) {
  for (let first = 0; first < count; first++) {
    const span = Math.min(MAX_SPAN, count - first);
    for (let chosen = 1; chosen < 2 ** span; chosen += 2)
      // a bit for each piece; the first is always chosen
      yield Array.from({ length: span }, (_, bit) => bit)
        .filter((bit) => (chosen >> bit) & 1)
        .map((bit) => first + bit);
  }
}

/**
 * {members, features}: every group of neighbours that may be one digit, and the features of its
 * place.
 */
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

/** How likely a group with these features is one digit, as a logarithm: a weighted sum. */
function groupWorth(features) {
  return Object.entries(model.grouping).reduce(
    (sum, [name, weight]) => sum + weight * features[name],
    0,
  );
}

/**
 * Divide pieces into the groups {members, worth} that are worth most in total, by dynamic
 * programming.
 */
function bestDivision(groups, count) {
  // by a mask of the next pieces that are in a group already
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

/** Whether two boxes overlap vertically by more than a third of the lower one's height. */
function shareLine([, top, , bottom], [, otherTop, , otherBottom]) {
  const overlap = Math.min(bottom, otherBottom) - Math.max(top, otherTop);
  return overlap > MIN_LINE_OVERLAP * Math.min(bottom - top, otherBottom - otherTop);
}

/**
 * Digits in lines from top to bottom, each from left to right; a digit follows the nearest one to
 * its left.
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

// ---- the interface: window.mnistReader

/**
 * Read a drawing of one digit on a square canvas: {image: 784 integers, probabilities: 10 numbers,
 * score in [0, 1]}.
 */
function read(strokes, size = CANVAS) {
  const checked = strokes.map((stroke) => checkedStroke(stroke, size));
  return readLines(
    visibleLines(checked, size),
    Math.max(...checked.map(({ width, erase }) => (erase ? 0 : width))),
  );
}

function readLines(lines, brush) {
  const image = prepare(inkAlong(lines, brush));
  return { image: Array.from(image), ...predict(image) };
}

// readings of groups of pieces, in the previous number and in this one: most groups do not change
// with a new stroke
let knownReadings = new Map();
let ownReadings = new Map();

function readPieces(pieces, [stretch, slant] = [1, 0]) {
  const key = [stretch, slant, ...pieces.map(({ points, width }) => [width, ...points])].join("|");
  let reading = ownReadings.get(key) ?? knownReadings.get(key);
  if (!reading) {
    const lines = pieces.map(({ points }) => ({
      points: points.map(([x, y]) => [stretch * x + slant * y, y]),
    }));
    reading = readLines(lines, Math.max(...pieces.map(({ width }) => width)));
  }
  ownReadings.set(key, reading);
  return reading;
}

/**
 * Divide pieces, ordered from left to right, into the groups that look most like digits: {pieces,
 * box, ...reading}.
 */
function readGroups(pieces, scale) {
  const groups = plausibleGroups(pieces, scale).map(({ members, features }) => {
    const own = members.map((piece) => pieces[piece]);
    const reading = readPieces(own);
    const { score, probabilities } = reading;
    const worth = groupWorth({
      ...features,
      score_logit: scoreLogit(score),
      four_probability: probabilities[4],
    });
    return {
      members,
      worth,
      pieces: own,
      box: enclosingBox(own.map(({ box }) => box)),
      ...reading,
    };
  });
  return bestDivision(groups, pieces.length);
}

/**
 * Name a digit, or refuse it; a doubtful one is read in several forms, whose probabilities are
 * averaged.
 */
function readClosely({ pieces, box, image, probabilities, score }) {
  if (Math.max(...probabilities) < DOUBTFUL) {
    const all = [probabilities, ...FORMS.map((form) => readPieces(pieces, form).probabilities)];
    probabilities = probabilities.map((_, digit) =>
      all.reduce((sum, form) => sum + form[digit] / all.length, 0),
    );
  }
  const best = String(probabilities.indexOf(Math.max(...probabilities)));
  return {
    text: SCORE_FACTOR * score < model.refused ? "?" : best,
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
  [knownReadings, ownReadings] = [ownReadings, new Map()];
  const all = strokePieces(
    strokes.map((stroke) => checkedStroke(stroke, size)),
    size,
  );
  if (!all.length) throw new NoInkError("there is no ink here: draw a number first");
  const scale = digitHeight(all);
  const pieces = withoutSmaller(all, MIN_PIECE_SIZE * scale);
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
  pieces.sort((first, second) => lexically(place(first), place(second)));
  const readings = withoutSmaller(readGroups(pieces, scale), MIN_DIGIT_SIZE * scale);
  const lines = arrangeInLines(readings.map(readClosely));
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
