// The pad: drawing, showing the reading, and earlier drawings. reader.js reads what is drawn.

const { read, readNumber, refused, constants } = window.mnistReader;
const { SIDE, SURE, LIKELY, OVER_99, OVER_999 } = constants;
const HEIGHT = constants.CANVAS; // of a paper, in its own pixels
const ERASER = 32; // its width, in pixels of the paper
const PAPER = "#ffffff";
const INK = "#14213d";
const HINT = "#6b7280";
const ACCENT = "#0072b2";
const PEN_DOWN = "#d55e00";

const MIN_PAUSE = 80; // milliseconds between two readings while a stroke is drawn
const SAY_AFTER = 700; // milliseconds without a stroke until a screen reader announces the reading
const PALM_SIZE = 80; // CSS pixels, about 2 cm: more than a finger touches
// milliseconds after a pen's last move in which a touch is the hand that holds it
const PALM_REST = 1000;

// ---- drawing

const byId = (id) => document.getElementById(id);
const paper = byId("paper");
const ink = paper.getContext("2d");
// a drawing of each digit, put on the paper by its key: strokes as "xy" in a grid of ten by ten
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

/** A paper: its strokes after each action, and the cursor of the pen that the arrow keys move. */
function makeSheet(width, pen, hint) {
  return {
    width,
    pen,
    hint,
    wide: width > HEIGHT,
    history: [[]],
    now: 0,
    cursor: [width / 2, HEIGHT / 2],
  };
}

const sheets = [
  makeSheet(HEIGHT, 16, "draw a digit here"),
  makeSheet(2 * HEIGHT, 12, "write a number here"),
];
let sheet = sheets[0]; // the paper in use
let reading = null; // of the strokes on the paper; null if nothing can be read
let stroke = null; // being drawn
let erasing = false;
let byKeys = false; // whether the cursor is shown
let frame = 0; // the animation frame that redraws the paper
let pointer = null; // the id of the pointer that draws
let pointerType = ""; // "mouse", "touch" or "pen", of the pointer that draws
let penSeen = -Infinity; // when a pen was last over the paper
let nextReading = 0; // the earliest time of the next reading within a stroke
let saying = 0; // the timer of the next announcement

const drawn = () => (stroke ? [...sheet.history[sheet.now], stroke] : sheet.history[sheet.now]);

function put(strokes) {
  sheet.history.splice(++sheet.now, Infinity, strokes);
  update();
}

function begin(point, erase = erasing) {
  stroke = { points: [point], width: erase ? ERASER : sheet.pen, erase };
  clearTimeout(saying);
}

function extend(points) {
  for (const [x, y] of points) {
    const [lastX, lastY] = stroke.points.at(-1);
    if (x !== lastX || y !== lastY) stroke.points.push([x, y]);
  }
  if (performance.now() >= nextReading) showReading();
  redraw();
}

function end() {
  if (!stroke) return;
  const strokes = drawn();
  stroke = pointer = null;
  put(strokes);
}

/** Put another drawing on the paper; the current drawing joins the earlier ones. */
function replace(strokes) {
  end();
  keep();
  put(strokes);
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
  const isEraser = event.button === 5; // a pen's other end
  if ((event.button > 0 && !isEraser) || isPalm(event)) return;
  const isPenOverPalm = event.pointerType === "pen" && pointerType === "touch";
  if (pointer !== null && !isPenOverPalm) return; // a second finger draws nothing
  if (pointer !== null) stroke = null; // it was drawn by the palm
  end();
  byKeys = false;
  ({ pointerId: pointer, pointerType } = event);
  paper.setPointerCapture(pointer);
  begin(pointOf(event), erasing || isEraser);
  extend([]);
});
paper.addEventListener("pointermove", (event) => {
  if (event.pointerId !== pointer) return;
  const parts = event.getCoalescedEvents?.() ?? [];
  extend((parts.length ? parts : [event]).map(pointOf));
});
for (const name of ["pointerup", "pointercancel", "lostpointercapture"])
  paper.addEventListener(name, (event) => {
    if (event.pointerId === pointer) end();
  });

/**
 * An example of a digit: in the middle of the paper, or of a number, after its last digit; [] if
 * there is no room.
 */
function example(digit) {
  const scale = sheet.wide ? 14 : 28;
  const top = sheet.wide ? HEIGHT / 4 : 0;
  const right = Math.max(0, ...drawn().flatMap(({ points }) => points.map(([x]) => x)));
  const paths = EXAMPLES[digit]
    .split("|")
    .map((path) => path.split(" ").map(([x, y]) => [x * scale, y * scale + top]));
  const left = sheet.wide ? right + 30 - Math.min(...paths.flat().map(([x]) => x)) : 0;
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
    const step = event.shiftKey ? 3 : 12;
    sheet.cursor = onPaper(
      ARROWS[event.key].map((along, axis) => sheet.cursor[axis] + step * along),
    );
    byKeys = true;
    if (stroke) extend([sheet.cursor]);
  } else if (event.key === " " || event.key === "Enter") {
    byKeys = true;
    if (stroke) end();
    else begin(sheet.cursor);
  } else if (/^\d$/.test(event.key)) {
    end();
    const strokes = example(event.key);
    if (!sheet.wide) replace(strokes);
    else if (strokes.length) put([...drawn(), ...strokes]);
  } else return;
  event.preventDefault();
  redraw();
});
paper.addEventListener("blur", end);

function step(by) {
  end();
  sheet.now = Math.min(Math.max(sheet.now + by, 0), sheet.history.length - 1);
  update();
}

function choose(erase) {
  erasing = erase;
  byId("draw").setAttribute("aria-pressed", String(!erase));
  byId("erase").setAttribute("aria-pressed", String(erase));
}

/** Switch to the paper for a number, or for a digit. */
function usePaper(wide) {
  end();
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

const undo = () => step(-1);
const redo = () => step(1);
const clear = () => replace([]);
const choices = {
  draw: () => choose(false),
  erase: () => choose(true),
  one: () => usePaper(false),
  many: () => usePaper(true),
};
const judgements = { right: () => judge("right"), wrong: () => judge("wrong") };
const actions = {
  ...choices,
  undo,
  redo,
  clear,
  ...judgements,
  save: async () => download(await picture()),
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

// ---- showing the reading

const rows = Array.from({ length: 10 }, (_, digit) => {
  const row = byId("row").content.firstElementChild.cloneNode(true);
  row.firstElementChild.textContent = String(digit);
  return row;
});
byId("bars").replaceChildren(...rows); // a page that was saved from the browser has bars already

const exactPercent = (share) => (share >= OVER_999 ? "> 99.9 %" : `${(100 * share).toFixed(1)} %`);
const percent = (share) => (share >= OVER_99 ? "over 99 %" : `${Math.round(100 * share)} %`);

const bestDigit = ({ probabilities }) => probabilities.indexOf(Math.max(...probabilities));

function inWords({ probabilities, score }) {
  const [first, second] = [...probabilities.keys()].sort(
    (a, b) => probabilities[b] - probabilities[a],
  );
  const share = probabilities[first];
  const a = (digit) => `${digit === 8 ? "an" : "a"} ${digit}`;
  if (score < refused) return `I do not think this is a digit (it looks most like ${a(first)}).`;
  if (share >= SURE) return `I read ${a(first)}, ${percent(share)} sure.`;
  return share >= LIKELY
    ? `Probably ${a(first)}, perhaps ${a(second)}.`
    : `Unsure: ${a(first)} or ${a(second)}?`;
}

/**
 * A number as a sentence; how sure the network is of it is the product of its digits'
 * probabilities.
 */
function numberInWords({ text, digits }) {
  const number = text.replaceAll("\n", " / ");
  if (text.includes("?")) return `I read ${number} (a ? marks ink that is no digit).`;
  const share = digits.reduce(
    (product, { probabilities }) => product * Math.max(...probabilities),
    1,
  );
  if (share >= SURE) return `I read ${number}, ${percent(share)} sure.`;
  return share >= LIKELY ? `Probably ${number}.` : `Unsure: ${number}?`;
}

/** Show an image as the network sees it, 28x28, dark ink on white, on a canvas of that size. */
function showImage(canvas, image) {
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(SIDE, SIDE);
  for (let i = 0; i < SIDE * SIDE; i++) {
    const paperLeft = 255 - (image?.[i] ?? 0);
    pixels.data.set([paperLeft, paperLeft, paperLeft, 255], 4 * i);
  }
  context.putImageData(pixels, 0, 0);
}

function showDigit(guess) {
  const best = guess ? bestDigit(guess) : -1;
  byId("bars").className = guess && guess.score < refused ? "refused" : "";
  rows.forEach((row, digit) => {
    const share = guess ? guess.probabilities[digit] : 0;
    row.className = digit === best ? "best" : "";
    row.children[1].firstElementChild.style.width = `${100 * share}%`;
    row.children[2].textContent = guess ? exactPercent(share) : "";
  });
  showImage(byId("seen"), guess?.image);
}

function showDigits(number) {
  byId("digits").replaceChildren(
    ...(number?.digits ?? []).map(({ text, probabilities, image }) => {
      const item = byId("digit").content.firstElementChild.cloneNode(true);
      item.querySelector("b").textContent = text;
      item.querySelector("span").textContent =
        text === "?" ? "no digit" : percent(Math.max(...probabilities));
      showImage(item.querySelector("canvas"), image);
      return item;
    }),
  );
}

const invitation = () =>
  sheet.wide ? "Write a number: its digits side by side." : "Draw a digit: zero to nine.";
const asSentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}.`;

function showReading() {
  const start = performance.now();
  reading = null;
  let words;
  try {
    reading = (sheet.wide ? readNumber : read)(drawn(), sheet.width);
    words = (sheet.wide ? numberInWords : inWords)(reading);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    words = error.name === "NoInkError" ? invitation() : asSentence(error.message);
  }
  byId("words").textContent = words;
  (sheet.wide ? showDigits : showDigit)(reading);
  const now = performance.now();
  // at most half of the time, so that ink follows the pen
  nextReading = now + Math.max(MIN_PAUSE, now - start);
}

function drawLine(context, { points, width, erase }) {
  context.strokeStyle = erase ? PAPER : INK;
  context.lineWidth = width;
  context.beginPath();
  context.moveTo(...points[0]);
  points.slice(1).forEach(([x, y], i) => {
    // a curve between the middles of the pieces, bent by the point where they meet
    const [a, b] = points[i];
    context.quadraticCurveTo(a, b, (a + x) / 2, (b + y) / 2);
  });
  context.lineTo(points.at(-1)[0] + 0.01, points.at(-1)[1]); // so that a single point is a dot
  context.stroke();
}

/** Draw strokes on white, as large as the canvas is. */
function drawOn(canvas, strokes) {
  const context = canvas.getContext("2d");
  const scale = canvas.height / HEIGHT;
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.fillStyle = PAPER;
  context.fillRect(0, 0, canvas.width / scale, HEIGHT);
  context.lineCap = context.lineJoin = "round";
  strokes.forEach((line) => drawLine(context, line));
}

function write(text, x, y, colour, font) {
  ink.fillStyle = colour;
  ink.font = `${font} system-ui, sans-serif`;
  ink.fillText(text, x, y);
}

function redraw() {
  cancelAnimationFrame(frame);
  frame = requestAnimationFrame(() => {
    const strokes = drawn();
    drawOn(paper, strokes);
    ink.textAlign = "center";
    for (const { text, box } of reading?.digits ?? []) {
      const [left, top, right] = box;
      write(text, (left + right) / 2, Math.max(top - 14, 22), ACCENT, "bold 22px");
    }
    if (!strokes.length && !byKeys)
      write(sheet.hint, sheet.width / 2, HEIGHT / 2, HINT, sheet.wide ? "20px" : "15px");
    if (!byKeys) return;
    ink.strokeStyle = stroke ? PEN_DOWN : ACCENT;
    ink.lineWidth = 2;
    ink.beginPath();
    ink.arc(...sheet.cursor, 12, 0, 2 * Math.PI);
    ink.stroke();
  });
}

/** Disable a button for everyone, but leave it the focus. */
function allow(id, isAllowed) {
  byId(id).setAttribute("aria-disabled", String(!isAllowed));
}

function update() {
  allow("undo", sheet.now > 0);
  allow("redo", sheet.now < sheet.history.length - 1);
  allow("clear", drawn().length > 0);
  showReading();
  showVerdict();
  redraw();
  remember();
  clearTimeout(saying);
  saying = setTimeout(() => {
    byId("said").textContent = byId("words").textContent;
  }, SAY_AFTER);
}

/** Give the paper as many pixels as the screen shows of it. */
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

// ---- earlier drawings, the score of right readings, and pictures; nothing leaves the page

const MAX_EARLIER = 10;
// in the session's storage; 1 is the format's version
const KEY = `mnist_nb page 1 ${location.pathname}`;
let earlier = []; // {strokes, wide, text} of each, latest first
const verdicts = new WeakMap(); // "right" or "wrong", by strokes
const score = { right: 0, wrong: 0 };

/** The digits of the reading; "?" for ink that is no digit. */
const readText = () => reading.text ?? (reading.score < refused ? "?" : String(bestDigit(reading)));

/** Add the current drawing to the earlier ones, unless it is among them. */
function keep() {
  const strokes = drawn();
  if (!reading || earlier.some((drawing) => drawing.strokes === strokes)) return;
  earlier = [{ strokes, wide: sheet.wide, text: readText() }, ...earlier].slice(0, MAX_EARLIER);
}

function lookAgain({ strokes, wide }) {
  end();
  keep();
  if (sheet.wide !== wide) usePaper(wide);
  put(strokes);
  paper.focus();
}

function judge(verdict) {
  end(); // a verdict belongs to a finished drawing
  const before = verdicts.get(drawn());
  if (before === verdict) return;
  if (before) score[before] -= 1;
  score[verdict] += 1;
  verdicts.set(drawn(), verdict);
  keep();
  update();
}

function showVerdict() {
  for (const verdict of ["right", "wrong"]) {
    byId(verdict).setAttribute("aria-pressed", String(verdicts.get(drawn()) === verdict));
    allow(verdict, reading !== null);
  }
  for (const id of ["save", "share"]) allow(id, reading !== null);
  const judged = score.right + score.wrong;
  byId("score").textContent = judged ? `${score.right} of ${judged} right` : "";
  byId("earlier").replaceChildren(...earlier.map(showEarlier));
}

function showEarlier(drawing) {
  const item = byId("drawing").content.firstElementChild.cloneNode(true);
  const { strokes, wide, text } = drawing;
  const [button, canvas, label] = ["button", "canvas", "b"].map((name) => item.querySelector(name));
  const sign = { right: " ✓", wrong: " ✗" }[verdicts.get(strokes)] ?? "";
  const verdict = verdicts.get(strokes) ?? "not judged";
  label.textContent = text.replaceAll("\n", " / ") + sign;
  button.setAttribute(
    "aria-label",
    `Look again: read as ${text === "?" ? "no digit" : text}, ${verdict}`,
  );
  canvas.width = wide ? 2 * canvas.height : canvas.height;
  drawOn(canvas, strokes);
  button.addEventListener("click", () => lookAgain(drawing));
  return item;
}

/** The paper as a PNG file, named by its reading. */
async function picture() {
  const content = await new Promise((resolve) => paper.toBlob(resolve));
  const name = readText().replaceAll("?", "x").replaceAll("\n", "-");
  return new File([content], `read-as-${name}.png`, { type: "image/png" });
}

function download(file) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = file.name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

async function share() {
  const file = await picture();
  const content = { files: [file], text: byId("words").textContent };
  if (!navigator.canShare?.(content)) return download(file);
  return navigator.share(content).catch((error) => {
    if (error.name !== "AbortError") download(file); // AbortError: the reader closed the sheet
  });
}

/** Keep all drawings until the tab is closed, where the browser allows it. */
function remember() {
  const papers = sheets.map(({ history, now }) => history[now]);
  const judged = earlier.map((drawing) => ({ ...drawing, verdict: verdicts.get(drawing.strokes) }));
  try {
    sessionStorage.setItem(
      KEY,
      JSON.stringify({ papers, wide: sheet.wide, earlier: judged, score }),
    );
  } catch {
    /* no storage here, or it is full: a reload starts with an empty paper */
  }
}

/** Bring back the drawings; returns whether the paper for a number was in use. */
function recall() {
  let saved = null;
  try {
    saved = JSON.parse(sessionStorage.getItem(KEY));
  } catch {
    /* no storage here */
  }
  if (!saved) return false;
  Object.assign(score, saved.score);
  earlier = saved.earlier;
  for (const { strokes, verdict } of earlier) if (verdict) verdicts.set(strokes, verdict);
  saved.papers.forEach((paperStrokes, i) => {
    if (!paperStrokes.length) return;
    const text = JSON.stringify(paperStrokes);
    const same = earlier.find(({ strokes }) => JSON.stringify(strokes) === text);
    const strokes = same?.strokes ?? paperStrokes; // the same array has the verdict
    sheets[i].now = sheets[i].history.push(strokes) - 1;
  });
  return saved.wide;
}

choose(false); // a page that was saved from the browser may have another choice
usePaper(recall());
new ResizeObserver(fit).observe(paper);
fitAfterZoom();
