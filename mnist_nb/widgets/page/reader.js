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

/** What visibleLines gave, drawn with MNIST's pen, 160 pixels along the longest side: 0 or 1, [160 * 160]. */
function inkAlong(drawn, brush) {
  const [corner, far] = bounds(drawn.flatMap(({ points, erase }) => (erase ? [] : points)));
  const extent = Math.max(far[0] - corner[0], far[1] - corner[1]);
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
  let [low, high] = [[RASTER, RASTER], [-1, -1]];
  ink.forEach((inked, i) => {
    if (!inked) return;
    const x = i % RASTER, y = (i - x) / RASTER;
    low = [Math.min(low[0], x), Math.min(low[1], y)];
    high = [Math.max(high[0], x), Math.max(high[1], y)];
  });
  const [wide, tall] = [0, 1].map((axis) => high[axis] - low[axis] + 1);
  const side = Math.max(wide, tall, 10), parts = coverage(side);
  const left = Math.floor((side - wide) / 2) - low[0], top = Math.floor((side - tall) / 2) - low[1];
  const rows = new Float64Array(BOX * side), resampled = new Float64Array(BOX * BOX);
  for (let y = low[1]; y <= high[1]; y++)
    for (const [box, part] of parts[y + top])
      for (let x = low[0]; x <= high[0]; x++) if (ink[y * RASTER + x]) rows[box * side + x + left] += part;
  for (let i = 0; i < BOX * side; i++)
    if (rows[i]) for (const [box, part] of parts[i % side]) resampled[Math.floor(i / side) * BOX + box] += part * rows[i];
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
// five characters are four bytes, as Python's base64.b85encode has them, but with "." for "<"
const SIGNS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;.=>?@^_`{|}~";
const bytes = new DataView(new ArrayBuffer((model.weights.length / 5) * 4));
for (let i = 0; i < model.weights.length; i += 5) {
  let word = 0;
  for (const sign of model.weights.slice(i, i + 5)) word = 85 * word + SIGNS.indexOf(sign);
  bytes.setUint32((i / 5) * 4, word);
}
let used = 0;
const [layers, refusing] = [model.shapes, model.refusing].map((shapes) => shapes.map((shape) => {
  const take = (count) => new Float32Array(bytes.buffer, (used += 4 * count) - 4 * count, count);
  return { shape, weight: take(shape.reduce((product, length) => product * length)), bias: take(shape[0]) };
}));
const relu = (values) => values.map((value) => Math.max(value, 0));

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
    for (let input = 0; input < inputs; input++) {
      const [a, b, c, d, e, f, g, h, i] = weight.subarray((output * inputs + input) * 9);
      for (let y = 0; y < side; y++) {
        let at = (input * wide + y) * wide, below = at + wide, bottom = below + wide;
        for (let x = y * side; x < (y + 1) * side; x++, at++, below++, bottom++)
          sums[x] += a * padded[at] + b * padded[at + 1] + c * padded[at + 2] + d * padded[below] + e * padded[below + 1] +
            f * padded[below + 2] + g * padded[bottom] + h * padded[bottom + 1] + i * padded[bottom + 2];
      }
    }
    for (let y = 0; y < half; y++)
      for (let x = 0; x < half; x++) {
        const at = 2 * y * side + 2 * x;
        pooled[(output * half + y) * half + x] = Math.max(sums[at], sums[at + 1], sums[at + side], sums[at + side + 1]);
      }
  }
  return pooled;
}

/** {logits: 10 numbers, hidden: the weighted sums of all hidden units}. */
function forward(image) {
  const hidden = [];
  let values = Float64Array.from(image, (pixel) => pixel / 255), sums = values;
  layers.forEach((layer, i) => {
    const flat = layer.shape.length === 2;
    sums = (flat ? dense : convolve)(values, layer);
    if (flat && i + 1 < layers.length) hidden.push(...sums);
    values = relu(sums);
  });
  return { logits: sums, hidden };
}

/** {probabilities: 10 numbers, score: how sure it is that this is a digit at all} for an image of 784 bytes. */
function predict(image) {
  const { logits, hidden } = forward(image);
  const most = Math.max(...logits), shares = Array.from(logits, (logit) => Math.exp(logit - most));
  const total = shares.reduce((sum, share) => sum + share), energy = most + Math.log(total);
  let [no, yes] = [0, (energy - model.energy[0]) / model.energy[1] + 2.33];
  if (refusing.length) [no, yes] = refusing.reduce((values, layer, i) => dense(i ? relu(values) : values, layer), hidden);
  return { probabilities: shares.map((share) => share / total), score: 1 / (1 + Math.exp(no - yes)) };
}

// ---- whole numbers: strokes are dealt into digits as reading.py does it

const DOUBTFUL = 0.95, FORMS = [[1, -0.2], [1, 0.2], [0.8, 0], [1.25, 0]];
const REACH = 5, NEAR = 0.3, SPECK = 0.15, WIDEST = 1.7, TALLEST = 2, SPARSE = 96, MOST = 400;

const distance = ([x, y], [a, b]) => Math.sqrt((x - a) * (x - a) + (y - b) * (y - b));
const lexically = (one, other) => one.reduce((order, value, i) => order || value - other[i], 0);

/** {points, width, box} of what is to be seen of each stroke; where an eraser has parted it, of each part. */
function piecesOf(strokes, size) {
  const parts = [];
  strokes.forEach((stroke, i) => {
    const erasers = strokes.slice(i + 1).filter(({ erase }) => erase);
    const seen = stroke.erase ? [] : visibleLines([stroke, ...erasers], size).filter(({ erase }) => !erase);
    for (const { points, width } of seen) {
      const [low, high] = bounds(points), jump = Math.max(width, Math.max(high[0] - low[0], high[1] - low[1]) / 20);
      points.forEach((point, k) => {
        if (k && distance(points[k - 1], point) <= jump) parts.at(-1).points.push(point);
        else parts.push({ points: [point], width });
      });
    }
  });
  return parts.map((part) => ({ ...part, box: bounds(part.points).flat() }));
}

/** The height of the digits: the median over pieces, in which tall ones count for more. */
function digitHeight(pieces) {
  const heights = pieces.map(({ box }) => Math.max(box[3] - box[1], 1e-3)).sort((a, b) => a - b);
  const total = heights.reduce((sum, height) => sum + height);
  let sum = 0;
  return heights.find((height) => (sum += height) >= total / 2);
}

/** The logit of a score, one from an energy stretched to the range of learnt ones. */
function sureness(score) {
  const share = Math.min(Math.max(score, 1e-7), 1 - 1e-7), logit = Math.log(share / (1 - share));
  return Math.min(refusing.length ? logit : 4.5 * logit - 4, 6);
}

/** The box around some boxes, each [left, top, right, bottom]. */
function around(boxes) {
  return [0, 1, 2, 3].map((side) => (side < 2 ? Math.min : Math.max)(...boxes.map((box) => box[side])));
}

/** The widest gap that must be bridged to connect all of a group. */
function widestGap(far, [first, ...rest]) {
  const reached = [first];
  let widest = 0;
  while (rest.length) {
    const gaps = rest.map((other) => Math.min(...reached.map((one) => far[one][other])));
    const least = Math.min(...gaps);
    widest = Math.max(widest, least);
    reached.push(...rest.splice(gaps.indexOf(least), 1));
  }
  return widest;
}

/** Every group of neighbours that may be one digit, and how well its shape and surroundings bear that out. */
function candidates(pieces, scale) {
  const boxes = pieces.map(({ box }) => box.map((side) => side / scale)), count = pieces.length;
  const sparse = pieces.map(({ points }) => points.filter((_, i) => i % Math.ceil(points.length / SPARSE) === 0));
  const far = pieces.map(() => new Float64Array(count).fill(Infinity));
  for (let one = 0; one < count; one++)
    for (let other = one + 1; other < Math.min(one + REACH, count); other++)
      for (const point of sparse[one])
        for (const place of sparse[other])
          far[one][other] = far[other][one] = Math.min(far[one][other], distance(point, place) / scale);
  const found = [];
  for (let first = 0; first < count; first++)
    for (let chosen = 1; chosen < 2 ** Math.min(REACH, count - first); chosen += 2) {
      const group = [0, 1, 2, 3, 4].filter((bit) => (chosen >> bit) & 1).map((bit) => first + bit);
      const [left, top, right, bottom] = around(group.map((at) => boxes[at])), gap = widestGap(far, group);
      if (group.length > 1 && (right - left > WIDEST || bottom - top > TALLEST || gap > NEAR)) continue;
      let overlap = 0, close = Infinity;
      for (let at = Math.max(0, first - REACH); at < Math.min(group.at(-1) + REACH, count); at++) {
        if (group.includes(at)) continue;
        const [l, t, r, b] = boxes[at], narrower = Math.max(Math.min(right - left, r - l), 0.15);
        if (Math.min(bottom, b) - Math.max(top, t) > -0.3)
          overlap = Math.max(overlap, (Math.min(right, r) - Math.max(left, l)) / narrower);
        close = Math.min(close, ...group.map((one) => far[one][at]));
      }
      const small = Math.max(Math.log(0.7 / Math.max(bottom - top, 0.05)), 0), wide = Math.max(right - left - 0.9, 0);
      found.push({ group, shape: [1, gap, small, wide, overlap, Math.max(0.15 - close, 0)] });
    }
  return found;
}

/** Of all ways to deal the pieces into groups that worth most in total, by dynamic programming. */
function bestDeal(found, count) {
  let states = new Map([[0, { total: 0, deal: [] }]]); // which of the next pieces are gone already, one bit each
  for (let first = 0; first < count; first++) {
    const next = new Map();
    const reach = (gone, total, deal) => {
      if (!(next.get(gone)?.total >= total)) next.set(gone, { total, deal });
    };
    for (const [gone, { total, deal }] of states) {
      if (gone & 1) reach(gone >> 1, total, deal);
      for (const one of gone & 1 ? [] : found.filter(({ group }) => group[0] === first)) {
        const taken = one.group.reduce((sum, at) => sum + (1 << (at - first)), 0);
        if (!(gone & taken)) reach((gone | taken) >> 1, total + one.worth, [...deal, one]);
      }
    }
    states = next;
  }
  return states.get(0).deal;
}

/** Digits in lines from above, each from left to right; a digit follows the nearest one on its left beside it. */
function inLines(digits) {
  const lines = [], twice = ({ box }, axis) => box[axis] + box[axis + 2];
  for (const digit of [...digits].sort((a, b) => twice(a, 0) - twice(b, 0))) {
    const beside = lines.filter((line) => {
      const [, top, , bottom] = line.at(-1).box, [, high, , low] = digit.box;
      return Math.min(bottom, low) - Math.max(top, high) > 0.35 * Math.min(bottom - top, low - high);
    });
    if (beside.length) beside.reduce((a, b) => (b.at(-1).box[2] > a.at(-1).box[2] ? b : a)).push(digit);
    else lines.push([digit]);
  }
  const height = (line) => line.reduce((sum, digit) => sum + twice(digit, 1), 0) / line.length;
  return lines.sort((a, b) => height(a) - height(b));
}

// ---- what others may call, tests among them

/** Read a drawing of one digit on a square canvas: {image: 784 integers, probabilities: 10 numbers, score in [0, 1]}. */
function read(strokes, size = CANVAS) {
  const checked = strokes.map((stroke) => checkedStroke(stroke, size));
  return readLines(visibleLines(checked, size), Math.max(...checked.map(({ width, erase }) => (erase ? 0 : width))));
}

function readLines(lines, brush) {
  const image = prepare(inkAlong(lines, brush));
  return { image: Array.from(image), ...predict(image) };
}

const known = new Map(); // what was read in a group of pieces: while one writes, most stay as they are

function readPieces(pieces, [across, slant] = [1, 0]) {
  const key = [across, slant, ...pieces.map(({ points, width }) => [width, ...points])].join("|");
  if (known.size > 1000) known.clear();
  if (!known.has(key)) {
    const lines = pieces.map(({ points }) => ({ points: points.map(([x, y]) => [across * x + slant * y, y]) }));
    known.set(key, readLines(lines, Math.max(...pieces.map(({ width }) => width))));
  }
  return known.get(key);
}

/** A doubtful reading's probabilities are the mean over several forms of the digit. */
function sureReading(reading, pieces) {
  if (Math.max(...reading.probabilities) >= DOUBTFUL) return reading;
  const all = [reading, ...FORMS.map((form) => readPieces(pieces, form))];
  const mean = (_, digit) => all.reduce((sum, { probabilities }) => sum + probabilities[digit] / all.length, 0);
  return { ...reading, probabilities: reading.probabilities.map(mean) };
}

/** Read a drawing of several digits: {text, digits: [{text, box, image, probabilities, score}], confidence in [0, 1]}. */
function readNumber(strokes, size = CANVAS) {
  const parts = piecesOf(strokes.map((stroke) => checkedStroke(stroke, size)), size);
  if (!parts.length) throw new RangeError("there is no ink here: draw a number first");
  const scale = digitHeight(parts), lengths = parts.map(({ box }) => Math.max(box[2] - box[0], box[3] - box[1]));
  const pieces = parts.filter((_, i) => lengths[i] >= Math.min(SPECK * scale, Math.max(...lengths)));
  if (pieces.length > MOST)
    throw new RangeError(`there are ${pieces.length} pieces of ink here, but a number has no more than ${MOST}`);
  const rank = ({ box: [left, top, right, bottom] }) => [left + right, top + bottom, left, top, right, bottom];
  pieces.sort((a, b) => lexically(rank(a), rank(b)));
  const found = candidates(pieces, scale).map(({ group, shape }) => {
    const reading = readPieces(group.map((at) => pieces[at]));
    const evidence = [sureness(reading.score), reading.probabilities[4], ...shape];
    return { group, reading, worth: evidence.reduce((sum, value, i) => sum + value * model.grouping[i], 0) };
  });
  const deal = bestDeal(found, pieces.length).map(({ group, reading }) => {
    const ours = group.map((at) => pieces[at]), { probabilities, ...rest } = sureReading(reading, ours);
    const best = String(probabilities.indexOf(Math.max(...probabilities)));
    const text = 10 * reading.score < model.refused ? "?" : best;
    return { text, box: around(ours.map(({ box }) => box)), ...rest, probabilities };
  });
  const isNoDot = ({ box }) => Math.max(box[2] - box[0], box[3] - box[1]) >= 0.3 * scale;
  const lines = inLines(deal.length > 1 ? deal.filter(isNoDot) : deal), digits = lines.flat();
  return {
    text: lines.map((line) => line.map(({ text }) => text).join("")).join("\n"),
    digits,
    confidence: digits.reduce((sure, { probabilities, score }) => sure * Math.max(...probabilities) * score, 1),
  };
}

window.mnistReader = Object.freeze({ read, readNumber, refused: model.refused });
