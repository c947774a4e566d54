// The pad: what the hand does, and what the page shows of it. What reads stands in reader.js.

const { read, readNumber, refused, constants } = window.mnistReader;
const { SIDE, SURE, LIKELY, OVER_99 } = constants;
const HEIGHT = 280, ERASER = 32; // of the paper and its brush, in pixels of its own
const PAPER = "#ffffff", INK = "#14213d", HINT = "#6b7280", ACCENT = "#0072b2";

const MIN_PAUSE = 80; // milliseconds between two readings while a stroke is drawn

// ---- what the hand does

const byId = (id) => document.getElementById(id);
const paper = byId("paper"), ink = paper.getContext("2d");
// ten drawings for who has no pen: strokes as "xy" in a grid of ten by ten
const EXAMPLES = [
  "52 33 24 26 38 59 77 75 73 62 52", "51 55 59", "33 42 62 73 65 38 78", "33 42 62 73 64 45 64 76 68 48 37", "42 26 76|63 69",
  "72 42 35 55 76 68 48 37", "62 43 36 38 58 76 65 45 37", "23 73 48", "73 52 33 44 66 68 49 38 46 64 73",
  "73 52 34 45 65 73 68 59",
];
// the two papers, each with what was on it after each action and the cursor of the pen that the arrow keys move
const sheets = [[280, 16, "draw a digit here"], [560, 12, "write a number here"]].map(([width, pen, hint], i) => (
  { width, pen, hint, wide: i > 0, history: [[]], now: 0, cursor: [width / 2, HEIGHT / 2] }));
let sheet = sheets[0], stroke = null, pointer = null, erasing = false, byKeys = false, frame = 0;
let reading = null; // what is read on the paper
let pointerType = ""; // "mouse", "touch" or "pen", of the pointer that draws
let nextReading = 0; // when what is drawn may be read again, before the stroke ends

const drawn = () => (stroke ? [...sheet.history[sheet.now], stroke] : sheet.history[sheet.now]);

function put(strokes) {
  sheet.history.splice(++sheet.now, Infinity, strokes);
  update();
}

function begin(point, erase = erasing) {
  stroke = { points: [point], width: erase ? ERASER : sheet.pen, erase };
  byId("words").setAttribute("aria-busy", "true"); // said when the stroke has ended
}

function extend(points) {
  const far = ([x, y], [a, b]) => x !== a || y !== b;
  for (const point of points) if (far(point, stroke.points.at(-1))) stroke.points.push(point);
  if (performance.now() >= nextReading) showReading();
  redraw();
}

function end() {
  if (!stroke) return;
  const strokes = drawn();
  stroke = pointer = null;
  byId("words").removeAttribute("aria-busy");
  put(strokes);
}

const onPaper = ([x, y]) => [Math.min(Math.max(x, 0), sheet.width), Math.min(Math.max(y, 0), HEIGHT)];

function place(event) {
  const { left, top, width } = paper.getBoundingClientRect();
  return onPaper([event.clientX - left, event.clientY - top].map((along) => (along * sheet.width) / width));
}

paper.addEventListener("pointerdown", (event) => {
  const isEraser = event.button === 5; // a pen's other end
  if (event.button > 0 && !isEraser) return;
  const isPenOverPalm = event.pointerType === "pen" && pointerType === "touch";
  if (pointer !== null && !isPenOverPalm) return; // a second finger draws nothing
  if (pointer !== null) stroke = null; // what the palm drew
  end();
  byKeys = false;
  ({ pointerId: pointer, pointerType } = event);
  paper.setPointerCapture(pointer);
  begin(place(event), erasing || isEraser);
  extend([]);
});
paper.addEventListener("pointermove", (event) => {
  if (event.pointerId !== pointer) return;
  const parts = event.getCoalescedEvents?.() ?? [];
  extend((parts.length ? parts : [event]).map(place));
});
for (const name of ["pointerup", "pointercancel", "lostpointercapture"])
  paper.addEventListener(name, (event) => { if (event.pointerId === pointer) end(); });

/** An example of a digit: in the middle of the paper, or of a number, after what is there. */
function example(digit) {
  const scale = sheet.wide ? 14 : 28, top = sheet.wide ? HEIGHT / 4 : 0;
  const right = Math.max(0, ...drawn().flatMap(({ points }) => points.map(([x]) => x)));
  const paths = EXAMPLES[digit].split("|").map((path) => path.split(" ").map(([x, y]) => [x * scale, y * scale + top]));
  const left = sheet.wide ? right + 30 - Math.min(...paths.flat().map(([x]) => x)) : 0;
  return paths.map((path) => ({ points: path.map(([x, y]) => onPaper([x + left, y])), width: sheet.pen, erase: false }));
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
paper.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || pointer !== null) return;
  if (ARROWS[event.key]) {
    const step = event.shiftKey ? 3 : 12;
    sheet.cursor = onPaper(ARROWS[event.key].map((along, axis) => sheet.cursor[axis] + step * along));
    byKeys = true;
    if (stroke) extend([sheet.cursor]);
  } else if (event.key === " " || event.key === "Enter") {
    byKeys = true;
    if (stroke) end();
    else begin(sheet.cursor);
  } else if (/^\d$/.test(event.key)) {
    end();
    put([...(sheet.wide ? drawn() : []), ...example(event.key)]);
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

/** Take the other paper. */
function turn(wide) {
  end();
  sheet = sheets[Number(wide)];
  byId("one").setAttribute("aria-pressed", String(!wide));
  byId("many").setAttribute("aria-pressed", String(wide));
  document.querySelector("main").className = wide ? "wide" : "";
  paper.setAttribute("aria-label", wide ? "Paper to write a number on" : "Paper to draw a digit on");
  update();
}

const undo = () => step(-1), redo = () => step(1), clear = () => { end(); put([]); };
const choices = { draw: () => choose(false), erase: () => choose(true), one: () => turn(false), many: () => turn(true) };
for (const [id, act] of Object.entries({ ...choices, undo, redo, clear })) byId(id).addEventListener("click", act);
addEventListener("keydown", (event) => {
  const key = event.key.toLowerCase();
  if (!(event.ctrlKey || event.metaKey) || (key !== "z" && key !== "y")) return;
  event.preventDefault();
  (key === "y" || event.shiftKey ? redo : undo)();
});

// ---- what the page shows

const rows = Array.from({ length: 10 }, (_, digit) => {
  const row = byId("row").content.firstElementChild.cloneNode(true);
  row.firstElementChild.textContent = String(digit);
  return row;
});
byId("bars").replaceChildren(...rows); // a page that was saved from the browser has bars already

const exactPercent = (share) => (share >= 0.9995 ? "> 99.9 %" : `${(100 * share).toFixed(1)} %`);
const percent = (share) => (share >= OVER_99 ? "over 99 %" : `${Math.round(100 * share)} %`);

function inWords({ probabilities, score }) {
  const [first, second] = [...probabilities.keys()].sort((a, b) => probabilities[b] - probabilities[a]);
  const share = probabilities[first], a = (digit) => `${digit === 8 ? "an" : "a"} ${digit}`;
  if (score < refused) return `I do not think this is a digit (it looks most like ${a(first)}).`;
  if (share >= SURE) return `I read ${a(first)}, ${percent(share)} sure.`;
  return share >= LIKELY ? `Probably ${a(first)}, perhaps ${a(second)}.` : `Unsure: ${a(first)} or ${a(second)}?`;
}

function numberInWords({ text, confidence }) {
  const number = text.split("\n").join(", and below it ");
  if (text.includes("?")) return `I read ${number}: where a ? stands, I see no digit.`;
  if (confidence >= SURE) return `I read ${number}, ${percent(confidence)} sure.`;
  return confidence >= LIKELY ? `Probably ${number}.` : `Unsure: ${number}?`;
}

/** Show what the network sees, 28x28, on a canvas of that size. */
function showImage(canvas, image) {
  const context = canvas.getContext("2d"), pixels = context.createImageData(SIDE, SIDE);
  for (let i = 0; i < SIDE * SIDE; i++) pixels.data.set([0, 1, 2].map(() => image?.[i] ?? 0).concat(255), 4 * i);
  context.putImageData(pixels, 0, 0);
}

function showDigit(guess) {
  const best = guess ? guess.probabilities.indexOf(Math.max(...guess.probabilities)) : -1;
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
  byId("digits").replaceChildren(...(number?.digits ?? []).map(({ text, probabilities, image, score }) => {
    const one = byId("digit").content.firstElementChild.cloneNode(true);
    one.querySelector("b").textContent = text;
    one.querySelector("span").textContent = text === "?" ? "no digit" : percent(Math.max(...probabilities) * score);
    showImage(one.querySelector("canvas"), image);
    return one;
  }));
}

const invitation = () => (sheet.wide ? "Write a number: its digits side by side." : "Draw a digit: zero to nine.");
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
  nextReading = now + Math.max(MIN_PAUSE, now - start); // at most half of the time, so that ink follows the pen
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

function write(text, x, y, colour, font) {
  ink.fillStyle = colour;
  ink.font = `${font} system-ui, sans-serif`;
  ink.fillText(text, x, y);
}

function redraw() {
  cancelAnimationFrame(frame);
  frame = requestAnimationFrame(() => {
    const scale = paper.width / sheet.width, strokes = drawn();
    ink.setTransform(scale, 0, 0, scale, 0, 0);
    ink.fillStyle = PAPER;
    ink.fillRect(0, 0, sheet.width, HEIGHT);
    ink.lineCap = ink.lineJoin = "round";
    ink.textAlign = "center";
    strokes.forEach(drawLine);
    for (const { text, box: [left, top, right] } of sheet.wide && reading ? reading.digits : [])
      write(text, (left + right) / 2, Math.max(top - 14, 22), ACCENT, "bold 22px");
    if (!strokes.length && !byKeys) write(sheet.hint, sheet.width / 2, HEIGHT / 2, HINT, sheet.wide ? "20px" : "15px");
    if (!byKeys) return;
    ink.strokeStyle = stroke ? "#d55e00" : ACCENT;
    ink.lineWidth = 2;
    ink.beginPath();
    ink.arc(...sheet.cursor, 12, 0, 2 * Math.PI);
    ink.stroke();
  });
}

function update() {
  byId("undo").disabled = sheet.now === 0;
  byId("redo").disabled = sheet.now === sheet.history.length - 1;
  byId("clear").disabled = !sheet.history[sheet.now].length;
  showReading();
  redraw();
}

new ResizeObserver(() => {
  [paper.width, paper.height] = [paper.clientWidth, paper.clientHeight].map((side) => Math.round(side * devicePixelRatio));
  redraw();
}).observe(paper);
update();
