// The pad: what the hand does, and what the page shows of it. What reads stands in reader.js.

const { read } = window.mnistReader;
const SIDE = 28, SURE = 0.9, LIKELY = 0.6;
const PAPER_SIZE = 280, PEN = 16, ERASER = 32; // the paper and its brushes, in pixels of its own
const PAPER = "#ffffff", INK = "#14213d", HINT = "#6b7280";

// ---- what the hand does

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

// ---- what the page shows

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
