// The pad of the page: drawing, showing the reading, and earlier drawings. reader.js reads the
// strokes, through window.mnistReader.

const { read, readNumber, refused, constants } = window.mnistReader;
const { SIDE, SURE, LIKELY, NO_NUMBER, OVER_99, OVER_999 } = constants;
const HEIGHT = constants.CANVAS; // of a sheet, in its own pixels
const ERASER_WIDTH = 32; // in pixels of the sheet
const PAPER = "#ffffff";
const INK = "#14213d";
const HINT = "#6b7280";
const ACCENT = "#0072b2";
const PEN_DOWN = "#d55e00";
// of the text beside a digit of a number, in pixels of the sheet
const LABEL_SIZE = 22;
const LABEL_GAP = 14;

const MIN_PAUSE = 80; // milliseconds between readings while a stroke is drawn
const ANNOUNCE_AFTER = 700; // milliseconds without a stroke until screen readers get the reading
const PALM_SIZE = 80; // CSS pixels, about 2 cm: more than a finger touches
// milliseconds after a pen's last move in which a touch is taken for the hand that holds it
const PALM_REST = 1000;

// ---- Drawing

const byId = (id) => document.getElementById(id);
const paper = byId("paper");
const ink = paper.getContext("2d");
// an example of each digit, drawn by its key: strokes of points "xy" on a grid of ten by ten
const EXAMPLES = [
  "52 33 24 26 38 59 77 75 73 62 52",
  "51 55 59",
  "33 42 62 73 65 38 78",
  "33 42 62 73 64 45 64 76 68 48 37",
  "42 26 76|63 69",
  "72 42 35 55 76 68 48 37",
  "62 43 36 38 58 76 65 45 37",
  "23 73 48",
  "73 52 33 44 66 68 49 38 46 64 73",
  "73 52 34 45 65 73 68 59",
];

/**
 * Return a sheet of paper: its history (the strokes after each action), and the cursor that the
 * arrow keys move.
 */
function makeSheet(width, pen, hint) {
  return {
    width,
    pen,
    hint,
    isWide: width > HEIGHT,
    history: [[]],
    current: 0, // index into the history
    cursor: [width / 2, HEIGHT / 2],
  };
}

const sheets = [
  makeSheet(HEIGHT, 16, "draw a digit here"),
  makeSheet(2 * HEIGHT, 12, "write a number here"),
];
let sheet = sheets[0]; // the one in use
let reading = null; // of the strokes on the sheet; null if nothing can be read
let stroke = null; // being drawn
let isErasing = false;
let isCursorShown = false; // after arrow keys, not after a mouse, finger or pen
let frame = 0; // the animation frame that redraws the paper
let pointer = null; // the id of the pointer that draws
let pointerType = ""; // "mouse", "touch" or "pen", of the pointer that draws
let penSeen = -Infinity; // when a pen was last over the paper
let nextReading = 0; // the earliest time of the next reading within a stroke
let announcement = 0; // the timer of the next announcement to screen readers

/** Return the strokes on the sheet, including the one being drawn. */
function currentStrokes() {
  const finished = sheet.history[sheet.current];
  return stroke ? [...finished, stroke] : finished;
}

/** Add a state to the history of the sheet. */
function push(strokes) {
  sheet.current += 1;
  sheet.history.splice(sheet.current, Infinity, strokes);
  update();
}

function beginStroke(point, erase = isErasing) {
  stroke = { points: [point], width: erase ? ERASER_WIDTH : sheet.pen, erase };
  clearTimeout(announcement);
}

function extendStroke(points) {
  for (const [x, y] of points) {
    const [lastX, lastY] = stroke.points.at(-1);
    if (x !== lastX || y !== lastY) stroke.points.push([x, y]);
  }
  if (performance.now() >= nextReading) showReading();
  redraw();
}

function endStroke() {
  if (!stroke) return;
  const strokes = currentStrokes();
  stroke = null;
  pointer = null;
  push(strokes);
}

/** Replace the drawing on the sheet, and keep it among the earlier ones. */
function replace(strokes) {
  endStroke();
  keep();
  push(strokes);
}

const onPaper = ([x, y]) => [
  Math.min(Math.max(x, 0), sheet.width),
  Math.min(Math.max(y, 0), HEIGHT),
];

function pointOf(event) {
  const { left, top, width } = paper.getBoundingClientRect();
  return onPaper(
    [event.clientX - left, event.clientY - top].map((along) => (along * sheet.width) / width),
  );
}

function isPalm({ pointerType: type, width, height, timeStamp }) {
  return (
    type === "touch" && (Math.max(width, height) > PALM_SIZE || timeStamp - penSeen < PALM_REST)
  );
}

for (const name of ["pointerdown", "pointermove", "pointerup"])
  paper.addEventListener(name, (event) => {
    if (event.pointerType === "pen") penSeen = event.timeStamp;
  });
paper.addEventListener("pointerdown", (event) => {
  const isEraser = event.button === 5; // the other end of a pen
  if ((event.button > 0 && !isEraser) || isPalm(event)) return;
  const isPenOverPalm = event.pointerType === "pen" && pointerType === "touch";
  if (pointer !== null && !isPenOverPalm) return; // ignore a second finger
  if (pointer !== null) stroke = null; // discard the palm's stroke
  endStroke();
  isCursorShown = false;
  ({ pointerId: pointer, pointerType } = event);
  paper.setPointerCapture(pointer);
  beginStroke(pointOf(event), isErasing || isEraser);
  extendStroke([]);
});
paper.addEventListener("pointermove", (event) => {
  if (event.pointerId !== pointer) return;
  const moves = event.getCoalescedEvents?.() ?? [];
  extendStroke((moves.length ? moves : [event]).map(pointOf));
});
for (const name of ["pointerup", "pointercancel", "lostpointercapture"])
  paper.addEventListener(name, (event) => {
    if (event.pointerId === pointer) endStroke();
  });

/**
 * Return the strokes of an example of a digit. On the wide sheet it follows the last digit; [] if
 * there is no room.
 */
function exampleOf(digit) {
  const scale = sheet.isWide ? 14 : 28;
  const top = sheet.isWide ? HEIGHT / 4 : 0;
  const right = Math.max(0, ...currentStrokes().flatMap(({ points }) => points.map(([x]) => x)));
  const paths = EXAMPLES[digit]
    .split("|")
    .map((path) => path.split(" ").map(([x, y]) => [x * scale, y * scale + top]));
  const left = sheet.isWide ? right + 30 - Math.min(...paths.flat().map(([x]) => x)) : 0;
  if (Math.max(...paths.flat().map(([x]) => x)) + left > sheet.width - sheet.pen) return [];
  return paths.map((path) => ({
    points: path.map(([x, y]) => [x + left, y]),
    width: sheet.pen,
    erase: false,
  }));
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
paper.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || pointer !== null) return;
  if (ARROWS[event.key]) {
    const step = event.shiftKey ? 3 : 12; // pixels
    sheet.cursor = onPaper(
      ARROWS[event.key].map((along, axis) => sheet.cursor[axis] + step * along),
    );
    isCursorShown = true;
    if (stroke) extendStroke([sheet.cursor]);
  } else if (event.key === " " || event.key === "Enter") {
    isCursorShown = true;
    if (stroke) endStroke();
    else beginStroke(sheet.cursor);
  } else if (/^\d$/.test(event.key)) {
    endStroke();
    const strokes = exampleOf(event.key);
    if (!sheet.isWide) replace(strokes);
    else if (strokes.length) push([...currentStrokes(), ...strokes]);
  } else return;
  event.preventDefault();
  redraw();
});
paper.addEventListener("blur", endStroke);

/** Go back or forward in the history. */
function go(steps) {
  endStroke();
  sheet.current = Math.min(Math.max(sheet.current + steps, 0), sheet.history.length - 1);
  update();
}

/** Choose the eraser or the pen. */
function chooseTool(erase) {
  isErasing = erase;
  byId("draw").setAttribute("aria-pressed", String(!erase));
  byId("erase").setAttribute("aria-pressed", String(erase));
}

/** Switch to the wide sheet for a number, or to the one for a digit. */
function useSheet(wide) {
  endStroke();
  sheet = sheets[Number(wide)];
  byId("one").setAttribute("aria-pressed", String(!wide));
  byId("many").setAttribute("aria-pressed", String(wide));
  document.querySelector("main").className = wide ? "wide" : "";
  paper.setAttribute(
    "aria-label",
    wide ? "Paper to write a number on" : "Paper to draw a digit on",
  );
  update();
}

const undo = () => go(-1);
const redo = () => go(1);
const clear = () => replace([]);
const actions = {
  draw: () => chooseTool(false),
  erase: () => chooseTool(true),
  undo,
  redo,
  clear,
  one: () => useSheet(false),
  many: () => useSheet(true),
  right: () => judge("right"),
  wrong: () => judge("wrong"),
  save: async () => download(await makePicture()),
  share,
};
for (const [id, act] of Object.entries(actions))
  byId(id).addEventListener("click", () => {
    if (byId(id).getAttribute("aria-disabled") !== "true") act();
  });
addEventListener("keydown", (event) => {
  const key = event.key.toLowerCase();
  if (!(event.ctrlKey || event.metaKey) || (key !== "z" && key !== "y")) return;
  event.preventDefault();
  (key === "y" || event.shiftKey ? redo : undo)();
});

// ---- Showing the reading

const rows = Array.from({ length: 10 }, (_, digit) => {
  const row = byId("row").content.firstElementChild.cloneNode(true);
  row.firstElementChild.textContent = String(digit);
  return row;
});
byId("bars").replaceChildren(...rows); // a page saved from the browser already has bars

const percent = (probability) =>
  probability >= OVER_99 ? "over 99 %" : `${Math.round(100 * probability)} %`;
const exactPercent = (probability) =>
  probability >= OVER_999 ? "> 99.9 %" : `${(100 * probability).toFixed(1)} %`;

const bestDigit = ({ probabilities }) => probabilities.indexOf(Math.max(...probabilities));

/** Return the reading of a digit as a sentence. */
function digitSentence({ probabilities, score }) {
  const ranked = [...probabilities.keys()].sort((a, b) => probabilities[b] - probabilities[a]);
  const [first, second] = ranked.map((digit) => `${digit === 8 ? "an" : "a"} ${digit}`);
  const probability = probabilities[ranked[0]];
  if (score < refused) return `I do not think this is a digit (it looks most like ${first}).`;
  if (probability >= SURE) return `I read ${first}, ${percent(probability)} sure.`;
  if (probability >= LIKELY) return `Probably ${first}, perhaps ${second}.`;
  return `Unsure: ${first} or ${second}?`;
}

/**
 * Return the reading of a number as a sentence. Its probability is the product of its digits'.
 */
function numberSentence({ text, digits, confidence }) {
  const number = text.replaceAll("\n", " / ");
  if (!/\d/.test(text)) return "I do not think that there is a number here.";
  if (text.includes("?")) return `I read ${number} (? marks ink that is not a digit).`;
  if (confidence < NO_NUMBER)
    return `I am not sure that there is a number here: it looks most like ${number}.`;
  const probability = digits.reduce(
    (product, { probabilities }) => product * Math.max(...probabilities),
    1,
  );
  if (probability >= SURE) return `I read ${number}, ${percent(probability)} sure.`;
  if (probability >= LIKELY) return `Probably ${number}.`;
  return `Unsure: ${number}?`;
}

/** Show an image as the network sees it, with dark ink on white, on a canvas of 28x28. */
function showImage(canvas, image) {
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(SIDE, SIDE);
  for (let i = 0; i < SIDE * SIDE; i++) {
    const grey = 255 - (image?.[i] ?? 0);
    pixels.data.set([grey, grey, grey, 255], 4 * i);
  }
  context.putImageData(pixels, 0, 0);
}

/** Show the bars and the image of a digit; empty ones without a reading. */
function showDigit(digitReading) {
  const best = digitReading ? bestDigit(digitReading) : -1;
  byId("bars").className = digitReading && digitReading.score < refused ? "refused" : "";
  rows.forEach((row, digit) => {
    const probability = digitReading ? digitReading.probabilities[digit] : 0;
    row.className = digit === best ? "best" : "";
    row.children[1].firstElementChild.style.width = `${100 * probability}%`;
    row.children[2].textContent = digitReading ? exactPercent(probability) : "";
  });
  showImage(byId("seen"), digitReading?.image);
}

/** Show the image of each digit of a number; nothing without a reading. */
function showDigits(number) {
  byId("digits").replaceChildren(
    ...(number?.digits ?? []).map(({ text, probabilities, image }) => {
      const item = byId("digit").content.firstElementChild.cloneNode(true);
      item.querySelector("b").textContent = text;
      item.querySelector("span").textContent =
        text === "?" ? "not a digit" : percent(Math.max(...probabilities));
      showImage(item.querySelector("canvas"), image);
      return item;
    }),
  );
}

const invitation = () =>
  sheet.isWide ? "Write a number: its digits side by side." : "Draw a digit: zero to nine.";
const asSentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}.`;

/** Read the strokes and show the result, or an invitation, or why they cannot be read. */
function showReading() {
  const start = performance.now();
  reading = null;
  let sentence;
  try {
    reading = (sheet.isWide ? readNumber : read)(currentStrokes(), sheet.width);
    sentence = (sheet.isWide ? numberSentence : digitSentence)(reading);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    sentence = error.name === "NoInkError" ? invitation() : asSentence(error.message);
  }
  byId("words").textContent = sentence;
  (sheet.isWide ? showDigits : showDigit)(reading);
  const now = performance.now();
  // read at most half of the time, so that ink follows the pen
  nextReading = now + Math.max(MIN_PAUSE, now - start);
}

function drawLine(context, { points, width, erase }) {
  context.strokeStyle = erase ? PAPER : INK;
  context.lineWidth = width;
  context.beginPath();
  context.moveTo(...points[0]);
  points.slice(1).forEach(([x, y], i) => {
    // a curve between the midpoints of two segments, with their common point as control point
    const [a, b] = points[i];
    context.quadraticCurveTo(a, b, (a + x) / 2, (b + y) / 2);
  });
  context.lineTo(points.at(-1)[0] + 0.01, points.at(-1)[1]); // makes a single point a dot
  context.stroke();
}

/** Draw strokes on a white canvas of any size. */
function drawStrokes(canvas, strokes) {
  const context = canvas.getContext("2d");
  const scale = canvas.height / HEIGHT;
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.fillStyle = PAPER;
  context.fillRect(0, 0, canvas.width / scale, HEIGHT);
  context.lineCap = context.lineJoin = "round";
  strokes.forEach((line) => drawLine(context, line));
}

function writeOnPaper(text, x, y, colour, font) {
  ink.fillStyle = colour;
  ink.font = `${font} system-ui, sans-serif`;
  ink.fillText(text, x, y);
}

function redraw() {
  cancelAnimationFrame(frame);
  frame = requestAnimationFrame(() => {
    const strokes = currentStrokes();
    drawStrokes(paper, strokes);
    ink.textAlign = "center";
    for (const { text, box } of reading?.digits ?? []) {
      const [left, top, right, bottom] = box;
      const above = top - LABEL_GAP;
      const below = Math.min(bottom + LABEL_GAP + LABEL_SIZE, HEIGHT - LABEL_GAP);
      const y = above >= LABEL_SIZE ? above : below;
      writeOnPaper(text, (left + right) / 2, y, ACCENT, `bold ${LABEL_SIZE}px`);
    }
    if (!strokes.length && !isCursorShown)
      writeOnPaper(sheet.hint, sheet.width / 2, HEIGHT / 2, HINT, sheet.isWide ? "20px" : "15px");
    if (!isCursorShown) return;
    ink.strokeStyle = stroke ? PEN_DOWN : ACCENT;
    ink.lineWidth = 2;
    ink.beginPath();
    ink.arc(...sheet.cursor, 12, 0, 2 * Math.PI);
    ink.stroke();
  });
}

/** Enable or disable a button. A disabled one keeps the focus, unlike with `disabled`. */
function enable(id, isEnabled) {
  byId(id).setAttribute("aria-disabled", String(!isEnabled));
}

/** Show the state after a change of the strokes, and save it. */
function update() {
  enable("undo", sheet.current > 0);
  enable("redo", sheet.current < sheet.history.length - 1);
  enable("clear", currentStrokes().length > 0);
  showReading();
  showVerdict();
  redraw();
  saveState();
  clearTimeout(announcement);
  announcement = setTimeout(() => {
    byId("said").textContent = byId("words").textContent;
  }, ANNOUNCE_AFTER);
}

/** Give the canvas as many pixels as the screen has for it. */
function fit() {
  [paper.width, paper.height] = [paper.clientWidth, paper.clientHeight].map((side) =>
    Math.round(side * devicePixelRatio),
  );
  redraw();
}

function fitAfterZoom() {
  const query = matchMedia(`(resolution: ${devicePixelRatio}dppx)`);
  query.addEventListener(
    "change",
    () => {
      fit();
      fitAfterZoom();
    },
    { once: true },
  );
}

// ---- Earlier drawings, the score of right readings, and pictures. Nothing leaves the page.

const MAX_EARLIER = 10;
// in the session storage; 1 is the version of the format
const KEY = `mnist_nb page 1 ${location.pathname}`;
let earlier = []; // the drawings {strokes, wide, text}, latest first
const verdicts = new WeakMap(); // from strokes to "right" or "wrong"
const score = { right: 0, wrong: 0 };

/** Return the digits of the reading, with "?" for ink that is not a digit. */
function readingText() {
  if (sheet.isWide) return reading.text;
  return reading.score < refused ? "?" : String(bestDigit(reading));
}

/** Add the current drawing to the earlier ones, unless it is among them. */
function keep() {
  const strokes = currentStrokes();
  if (!reading || earlier.some((drawing) => drawing.strokes === strokes)) return;
  earlier = [{ strokes, wide: sheet.isWide, text: readingText() }, ...earlier].slice(
    0,
    MAX_EARLIER,
  );
}

/** Bring an earlier drawing back to its sheet. */
function bringBack({ strokes, wide }) {
  endStroke();
  keep();
  if (sheet.isWide !== wide) useSheet(wide);
  push(strokes);
  paper.focus();
}

/** Count the reading of the drawing as right or wrong. A second verdict replaces the first. */
function judge(verdict) {
  endStroke(); // a verdict belongs to a finished drawing
  const before = verdicts.get(currentStrokes());
  if (before === verdict) return;
  if (before) score[before] -= 1;
  score[verdict] += 1;
  verdicts.set(currentStrokes(), verdict);
  keep();
  update();
}

function showVerdict() {
  for (const verdict of ["right", "wrong"]) {
    byId(verdict).setAttribute("aria-pressed", String(verdicts.get(currentStrokes()) === verdict));
    enable(verdict, reading !== null);
  }
  for (const id of ["save", "share"]) enable(id, reading !== null);
  const judged = score.right + score.wrong;
  byId("score").textContent = judged ? `${score.right} of ${judged} right` : "";
  byId("earlier").replaceChildren(...earlier.map(showEarlier));
}

function showEarlier(drawing) {
  const item = byId("drawing").content.firstElementChild.cloneNode(true);
  const { strokes, wide, text } = drawing;
  const [button, canvas, label] = ["button", "canvas", "b"].map((name) => item.querySelector(name));
  const verdict = verdicts.get(strokes) ?? "not judged";
  const mark = { right: " ✓", wrong: " ✗" }[verdict] ?? "";
  label.textContent = text.replaceAll("\n", " / ") + mark;
  button.setAttribute(
    "aria-label",
    `Look again: read as ${text === "?" ? "not a digit" : text}, ${verdict}`,
  );
  canvas.width = wide ? 2 * canvas.height : canvas.height;
  drawStrokes(canvas, strokes);
  button.addEventListener("click", () => bringBack(drawing));
  return item;
}

/** Return the paper as a PNG file, named after its reading. */
async function makePicture() {
  const content = await new Promise((resolve) => paper.toBlob(resolve));
  const name = readingText().replaceAll("?", "x").replaceAll("\n", "-");
  return new File([content], `read-as-${name}.png`, { type: "image/png" });
}

function download(file) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = file.name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Share the picture; where the browser cannot share files, download it. */
async function share() {
  const file = await makePicture();
  const content = { files: [file], text: byId("words").textContent };
  if (!navigator.canShare?.(content)) return download(file);
  return navigator.share(content).catch((error) => {
    if (error.name !== "AbortError") download(file); // AbortError: the user cancelled
  });
}

/** Save all drawings until the tab is closed, if the browser allows it. */
function saveState() {
  const papers = sheets.map(({ history, current }) => history[current]);
  const judged = earlier.map((drawing) => ({ ...drawing, verdict: verdicts.get(drawing.strokes) }));
  try {
    sessionStorage.setItem(
      KEY,
      JSON.stringify({ papers, wide: sheet.isWide, earlier: judged, score }),
    );
  } catch {
    /* no storage, or it is full: a reload starts with empty paper */
  }
}

const isStroke = ({ points, width }) =>
  points.length > 0 && points.every((point) => point.every(Number.isFinite)) && width > 0;

/** Return the saved state; null if there is none, or it is damaged. */
function savedState() {
  try {
    const saved = JSON.parse(sessionStorage.getItem(KEY));
    const drawings = [...saved.papers, ...saved.earlier.map(({ strokes }) => strokes)];
    const texts = saved.earlier.map(({ text }) => text);
    const isWhole =
      drawings.flat().every(isStroke) &&
      texts.every((text) => typeof text === "string") &&
      saved.papers.length === sheets.length &&
      Object.keys(score).every((verdict) => Number.isInteger(saved.score[verdict]));
    return isWhole ? saved : null;
  } catch {
    return null; // no storage, nothing in it, or something else
  }
}

/** Restore the saved drawings. Return whether the sheet for a number was in use. */
function restoreState() {
  const saved = savedState();
  if (!saved) return false;
  Object.assign(score, saved.score);
  earlier = saved.earlier;
  for (const { strokes, verdict } of earlier) if (verdict) verdicts.set(strokes, verdict);
  saved.papers.forEach((paperStrokes, i) => {
    if (!paperStrokes.length) return;
    const text = JSON.stringify(paperStrokes);
    const same = earlier.find(({ strokes }) => JSON.stringify(strokes) === text);
    const strokes = same?.strokes ?? paperStrokes; // verdicts are by array
    sheets[i].current = sheets[i].history.push(strokes) - 1;
  });
  return saved.wide;
}

// ---- Start

chooseTool(false); // a page saved from the browser may have another choice
useSheet(restoreState());
new ResizeObserver(fit).observe(paper);
fitAfterZoom();
